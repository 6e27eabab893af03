//! What becomes of the worker's answers.

use super::{Body, Effect, State};
use crate::show;
use crate::waste::drop_elsewhere;
use crate::worker::{Answer, Lane};

impl State {
    pub(super) fn say_not_found(&mut self) {
        let says = match self.stopped {
            true => "stopped: not found in what was looked at",
            false => "not found",
        };
        self.say(says, true);
    }

    /// Takes an answer, and says what is to be done outside. Answers to questions that were given up are ignored.
    pub fn receive(&mut self, ticket: u64, answer: Answer) -> Vec<Effect> {
        let answer = match answer {
            Answer::Unreadable(gaps) => {
                self.facts.unreadable = gaps;
                return self.effects();
            }
            Answer::Grown(facts) => {
                self.grew(*facts);
                return self.effects();
            }
            Answer::Rests => {
                self.facts.recording = false;
                return self.effects();
            }
            Answer::Moved(place) => {
                self.moved(place);
                return self.effects();
            }
            Answer::Lost(why) => {
                self.facts.recording = false;
                self.say(&why, true);
                return self.effects();
            }
            answer => answer,
        };
        let Some(lane) = self
            .tickets
            .iter()
            .find(|row| *row.1 == ticket)
            .map(|row| *row.0)
        else {
            drop_elsewhere(answer);
            return self.effects();
        };
        let (more, answer) = match answer {
            Answer::Part(part) => (true, *part),
            answer => (
                matches!(answer, Answer::Matches { last: false, .. }),
                answer,
            ),
        };
        if !more {
            self.tickets.remove(&lane);
        }
        let columns = self.step().view.columns;
        let under = self.under();
        let stood = self.stood();
        match (answer, &mut self.step_mut().body) {
            (Answer::Rows(rows), Body::Table(table)) => table.fill(rows, columns),
            (
                Answer::Matches {
                    nums,
                    last,
                    complete,
                },
                Body::Events(list),
            ) => list.extend(nums, last, complete),
            (Answer::Overview(counted), Body::Overview(overview)) => {
                overview.counted = Some(counted)
            }
            (Answer::Page(lines), Body::Events(list)) => {
                list.widest = show::measure(columns, lines.iter().map(|line| &line.cells[..]));
                list.take_page(lines);
            }
            (Answer::Detail(detail), Body::Events(list)) => list.look.take(detail),
            (Answer::Detail(detail), Body::Table(table)) => table.below.look.take(detail),
            (Answer::Timeline(histogram), _) => {
                self.timeline.cursor = self.timeline.cursor.min(
                    histogram
                        .lanes
                        .first()
                        .map_or(0, |lane| lane.len().saturating_sub(1)),
                );
                self.timeline.histogram = Some(histogram);
            }
            (Answer::Courses(counted), _) => self.courses.counted = Some(counted),
            (Answer::Moments(found), _) => self.moments.extend(found),
            (Answer::Alerts(at), _) => self.alerts = at,
            (Answer::Said(rows), Body::Table(table)) => table.below.take(rows, under),
            (Answer::Found(Some(num)), Body::Events(list)) => list.go_to(num),
            (Answer::Found(Some(num)), _) => self.open_events_at(num),
            (Answer::Hunted(rows, Some(place), backwards), Body::Table(table)) => {
                if table.stand_on(&rows, place, backwards) == Some(true) {
                    self.say("searched round the end", false);
                }
            }
            (Answer::Found(None) | Answer::Hunted(_, None, _), _) => self.say_not_found(),
            (Answer::Arranged(arranged), Body::Table(table)) => {
                table.take(arranged, columns, !more);
            }
            (Answer::Follow(num, filter), _) => self.followed(num, filter),
            (Answer::Exported(rows, path), _) => {
                let path = crate::fit::plain(&path.display().to_string());
                let text = match rows {
                    Some(rows) => format!("wrote {} to {path}", show::counted(rows, "row")),
                    None => format!("wrote {path}"),
                };
                self.say(&text, false);
            }
            (Answer::Failed(text), _) => {
                let text = crate::fit::one_line(&text);
                self.say(&text, true);
                if lane == Lane::Body {
                    self.failed = Some(text);
                }
            }
            (
                Answer::Rows(_)
                | Answer::Matches { .. }
                | Answer::Overview(_)
                | Answer::Page(_)
                | Answer::Detail(_)
                | Answer::Said(_)
                | Answer::Hunted(..)
                | Answer::Arranged(_)
                | Answer::Part(_)
                | Answer::Unreadable(_)
                | Answer::Grown(_)
                | Answer::Rests
                | Answer::Moved(_)
                | Answer::Lost(_),
                _,
            ) => {}
        }
        self.stand_on_told(stood);
        self.catch_up();
        self.effects()
    }
}
