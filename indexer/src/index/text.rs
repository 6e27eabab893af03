//! The text index: which things have a word that begins so, or nearly so. It names candidates, some neighbours at a time; what
//! is found is decided by looking at the things themselves, so an answer never depends on whether there is one.

use super::ask::{Ask, Look};
use super::words;
use hashbrown::HashSet;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::directory::{Directory, RamDirectory};
use tantivy::indexer::NoMergePolicy;
use tantivy::query::{BooleanQuery, FuzzyTermQuery, Query, RangeQuery};
use tantivy::schema::{
    Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{DocId, IndexSettings, IndexWriter, Score, Searcher, SegmentReader, Term};

/// Fewer things are faster looked through than looked up.
pub(crate) const WORTH: u64 = 20_000;

/// Memory of the writer, bytes.
const MEMORY: usize = 48 << 20;

/// Documents of a candidate list, at most; more, and everything is looked at.
const MOST: usize = 1 << 20;

/// Things that make one document. They stand in order, so neighbours have most words in common.
pub(crate) const GROUP: u64 = 64;

fn schema() -> (Schema, Field, Field) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    let word = schema.add_text_field("w", TextOptions::default().set_indexing_options(indexing));
    let number = schema.add_u64_field("n", NumericOptions::default().set_fast());
    (schema.build(), word, number)
}

/// A text index being made, in a folder of its own.
pub(crate) struct Draft {
    writer: IndexWriter,
    folder: PathBuf,
    word: Field,
    number: Field,
    /// The words of the group that is being gathered, and its number.
    keys: HashSet<Vec<u8>>,
    key: Vec<u8>,
    group: u64,
}

fn failed(error: tantivy::TantivyError) -> io::Error {
    io::Error::other(error)
}

impl Draft {
    pub fn create(folder: &Path) -> io::Result<Draft> {
        let (schema, word, number) = schema();
        let settings = IndexSettings::default();
        let directory =
            tantivy::directory::MmapDirectory::open(folder).map_err(io::Error::other)?;
        let index = tantivy::Index::create(directory, schema, settings).map_err(failed)?;
        let writer: IndexWriter = index.writer_with_num_threads(1, MEMORY).map_err(failed)?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(Draft {
            writer,
            folder: folder.to_owned(),
            word,
            number,
            keys: HashSet::new(),
            key: Vec::new(),
            group: 0,
        })
    }

    /// Adds the thing with this number; they come in order.
    pub fn add<'t>(
        &mut self,
        number: u64,
        texts: impl Iterator<Item = &'t [u8]>,
    ) -> io::Result<()> {
        if number / GROUP != self.group {
            self.flush()?;
            self.group = number / GROUP;
        }
        let (keys, key) = (&mut self.keys, &mut self.key);
        for text in texts {
            words::each_sure(text, |word| {
                key.clear();
                key.extend(word.iter().take(words::LONGEST));
                key.make_ascii_lowercase();
                if !keys.contains(key.as_slice()) {
                    keys.insert(key.clone());
                }
            });
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let token = |word: Vec<u8>| Token {
            text: words::key(&word),
            position: 0,
            ..Token::default()
        };
        let tokens = self.keys.drain().map(token).collect();
        let mut document = tantivy::TantivyDocument::default();
        let text = String::new();
        document.add_pre_tokenized_text(self.word, PreTokenizedString { text, tokens });
        document.add_u64(self.number, self.group);
        self.writer.add_document(document).map_err(failed)?;
        Ok(())
    }

    /// Joins everything into one segment; gives the files.
    pub fn finish(mut self) -> io::Result<Vec<(String, PathBuf)>> {
        self.flush()?;
        self.writer.commit().map_err(failed)?;
        let segments = self
            .writer
            .index()
            .searchable_segment_ids()
            .map_err(failed)?;
        if segments.len() > 1 {
            self.writer.merge(&segments).wait().map_err(failed)?;
        }
        let collected = self.writer.garbage_collect_files();
        collected.wait().map_err(failed)?;
        self.writer.wait_merging_threads().map_err(failed)?;
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some(name) = entry
                .file_name()
                .to_str()
                .filter(|name| !name.ends_with(".lock"))
            {
                files.push((name.to_owned(), entry.path()));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// A text index in memory.
pub(crate) struct Text {
    searcher: Searcher,
    word: Field,
}

impl Text {
    /// From its files; `None` when they are none.
    pub fn load(files: Vec<(PathBuf, Vec<u8>)>) -> Option<Text> {
        let directory = RamDirectory::create();
        for (name, bytes) in files {
            directory.atomic_write(&name, &bytes).ok()?;
        }
        let index = tantivy::Index::open(directory).ok()?;
        let word = index.schema().get_field("w").ok()?;
        let reader = index
            .reader_builder()
            .reload_policy(tantivy::ReloadPolicy::Manual)
            .try_into()
            .ok()?;
        Some(Text {
            searcher: reader.searcher(),
            word,
        })
    }

    /// Groups of things that may be meant, in order; `None` when that may be any.
    pub fn candidates(&self, ask: &Ask) -> Option<Vec<u64>> {
        let query = self.query(&ask.look())?;
        let mut groups = self.searcher.search(&*query, &Numbers).ok()?;
        groups.sort_unstable();
        (groups.len() < MOST).then_some(groups)
    }

    fn query(&self, look: &Look) -> Option<Box<dyn Query>> {
        let term = |word: &str| Term::from_field_text(self.word, word);
        Some(match look {
            Look::Anything => return None,
            Look::Begins(word) => {
                // Behind underscores a word begins, which is what is looked up.
                let word = word.trim_start_matches('_');
                if word.is_empty() {
                    return None;
                }
                Box::new(FuzzyTermQuery::new_prefix(term(word), 0, false))
            }
            // Words that begin with an underscore are not there, and may be near this one.
            Look::Near(word, _) if word.contains('_') => return None,
            Look::Near(word, most) => Box::new(FuzzyTermQuery::new(term(word), *most, false)),
            // Of words that begin with an underscore (they stand before the small letters) only what is behind it is there.
            Look::Between(from, to) if from.as_str() < "`" && "_" <= to.as_str() => return None,
            Look::Between(from, to) => {
                let (from, to) = (term(from), term(to));
                Box::new(RangeQuery::new(Bound::Included(from), Bound::Included(to)))
            }
            Look::All(parts) => {
                let known: Vec<_> = parts.iter().filter_map(|part| self.query(part)).collect();
                if known.is_empty() {
                    return None;
                }
                Box::new(BooleanQuery::intersection(known))
            }
            Look::Any(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|part| self.query(part)).collect();
                Box::new(BooleanQuery::union(all?))
            }
        })
    }
}

/// Collects the numbers of things.
struct Numbers;

struct SegmentNumbers {
    column: Column<u64>,
    found: Vec<u64>,
}

impl Collector for Numbers {
    type Fruit = Vec<u64>;
    type Child = SegmentNumbers;

    fn for_segment(&self, _: u32, segment: &SegmentReader) -> tantivy::Result<SegmentNumbers> {
        Ok(SegmentNumbers {
            column: segment.fast_fields().u64("n")?,
            found: Vec::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Vec<u64>>) -> tantivy::Result<Vec<u64>> {
        Ok(fruits.concat())
    }
}

impl SegmentCollector for SegmentNumbers {
    type Fruit = Vec<u64>;

    fn collect(&mut self, doc: DocId, _: Score) {
        if self.found.len() < MOST {
            self.found.extend(self.column.first(doc));
        }
    }

    fn harvest(self) -> Vec<u64> {
        self.found
    }
}
