//! Where large values are let go of: giving back a million rows takes tens of milliseconds, which the thread that draws does not
//! have.

use std::any::Any;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

/// Something to let go of.
type Waste = Box<dyn Any + Send>;

/// Lets go of a value on a thread that nobody waits for.
pub fn drop_elsewhere<T: Send + 'static>(value: T) {
    static TO: OnceLock<Option<Sender<Waste>>> = OnceLock::new();
    let to = TO.get_or_init(|| {
        let (to, from) = channel::<Waste>();
        let started = std::thread::Builder::new()
            .name("inspect-waste".into())
            .spawn(move || from.into_iter().for_each(drop));
        started.ok().map(|_| to)
    });
    // Without such a thread it is let go of here, later than wished.
    if let Some(to) = to {
        drop(to.send(Box::new(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Receiver;
    use std::thread::{ThreadId, current};

    struct Tells(Sender<ThreadId>);

    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(current().id());
        }
    }

    #[test]
    fn what_is_let_go_of_is_dropped_by_another_thread() {
        let (tell, told): (_, Receiver<ThreadId>) = channel();
        drop_elsewhere(Tells(tell));
        let by = told.recv();
        assert!(by.is_ok_and(|by| by != current().id()));
    }
}
