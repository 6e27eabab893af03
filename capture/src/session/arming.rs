//! Arming a recording.

use super::scope::{group_path, present, resolve};
use super::{Options, Recorder, Scope};
use crate::artifacts::Kept;
use crate::clock::Clock;
use crate::confine::Role;
use crate::enrich::{Wanted, World, matches};
use crate::error::Error;
use crate::hash::Hasher;
use crate::host;
use crate::intake::{Beside, Taken};
use crate::load::{Kernel, Settings};
use crate::losses::Losses;
use crate::pressure::Ladder;
use crate::runtime::Runtimes;
use crate::segment::Before;
use crate::usage::Usage;
use crate::wire::ScopeMode;
use afterimage_format::{Batch, WriterOptions};
use afterimage_model::Schema;
use afterimage_query::Filter;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

impl Recorder {
    /// Loads and attaches the kernel programs and looks at what is there. When it returns, events are being recorded into
    /// the rings; nothing has been written anywhere.
    pub fn arm(options: Options) -> Result<Recorder, Error> {
        host::check_rights()?;
        if !matches!(options.scope, Scope::Host | Scope::PidTree(_)) {
            host::check_groups()?;
        }
        let mut awaited = Vec::new();
        let (wanted, scope_mode, scope_unknown) = match &options.scope {
            Scope::Host => (Wanted::All, ScopeMode::HOST, 1),
            Scope::PidTree(pids) => (
                Wanted::Tree(pids.iter().copied().collect()),
                ScopeMode::TREE,
                0,
            ),
            Scope::AllContainers => (Wanted::Containers, ScopeMode::CGROUPS, 1),
            Scope::Containers(names) => {
                let chosen = resolve(names, &options.runtimes)?;
                awaited = chosen.missing;
                let wanted = Wanted::Matching(Box::new(chosen.filter), chosen.known);
                (wanted, ScopeMode::CGROUPS, 1)
            }
            Scope::Matching(text) => {
                let filter = Filter::parse(text).map_err(|why| Error::Filter(why.to_string()))?;
                let known = present(&options.runtimes)
                    .into_iter()
                    .map(|c| (c.full_id.clone(), matches(&filter, &c)))
                    .collect();
                let wanted = Wanted::Matching(Box::new(filter), known);
                (wanted, ScopeMode::CGROUPS, 1)
            }
            Scope::Cgroup(path) => (Wanted::Group(group_path(path)?), ScopeMode::CGROUPS, 0),
        };
        let settings = Settings {
            self_tgid: std::process::id(),
            scope_mode,
            scope_unknown,
            snaplen: options.snaplen.min(crate::wire::PATH_MAX),
            ring_bytes: options.ring_bytes,
            cpus: host::possible_cpus(),
            latency: options.latency,
        };
        // What is said of the host and of this program (its hash) does not wait for the kernel's check, nor that for it.
        let (loaded, manifest) = std::thread::scope(|scope| {
            let manifest = scope.spawn(|| host::manifest(&options, &settings));
            (Kernel::load(&settings), manifest.join())
        });
        let (mut kernel, rings) = loaded?;
        let mut manifest = manifest.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if let Scope::PidTree(pids) = &options.scope {
            for pid in pids {
                kernel.scope_pid(*pid)?;
            }
        }
        kernel.attach()?;
        let open = kernel.open_files();
        if options.confine {
            // Before there are threads, each of which has capabilities of its own.
            crate::confine::confine(Role::Recorder, options.user.as_ref())?;
        }
        let mut world = World::new(wanted);
        world.keep = options.keep.clone();
        world.snapshot(manifest.clock.boot_ns, open);
        manifest.coverage = kernel.coverage.clone();
        manifest.not_covered = kernel.not_covered.clone();
        let runtimes = Runtimes::start(options.runtimes.clone(), options.keep.inspect);
        let usage = options.usage_interval.map(Usage::start);
        let clock = Clock::start(manifest.clock);
        if let Err(why) = &clock {
            let unseen = format!("steps of the wall clock: {why}");
            manifest.not_covered.push(unseen);
        }
        let mut recorder = Recorder {
            kernel,
            rings,
            world,
            runtimes,
            hasher: Hasher::start(),
            beside: Beside::new(),
            beside_dropped: 0,
            beside_looked_ns: host::boot_ns(),
            beside_taken: 0,
            missed: BTreeMap::new(),
            missed_looked_ns: host::boot_ns(),
            missed_handed: 0,
            scope_looked_ns: host::boot_ns(),
            usage,
            clock: clock.ok(),
            told: 0,
            sampled: 0,
            held: Vec::new(),
            held_bytes: 0,
            losses: Losses::default(),
            awaited,
            manifest,
            format: WriterOptions {
                unit_ns: options.clock_unit_ns,
                ..WriterOptions::default()
            },
            options,
            started: Instant::now(),
            first_ns: 0,
            books: Taken::default(),
            batch: Batch::new(Schema::current()),
            ladder: Ladder::default(),
            kept: Kept::default(),
            artifacts: Vec::new(),
            before: Before::default(),
            between: None,
            flush_every: Duration::from_secs(1),
            keyframe_every: afterimage_format::KEYFRAME_EVERY,
            status: None,
        };
        recorder.grant()?;
        Ok(recorder)
    }
}
