//! A child that waits to be let go: it stops itself before it becomes the command, so that the recorder can be told its
//! pid first and no event of the command is missed.
//!
//! The hidden subcommand stops with SIGSTOP; the parent waits for that, does what must be done first, and continues it.
//! No descriptor is left behind in the command, as one would be with a pipe.

use crate::failure::{Failure, Outcome};
use afterimage_model::Safe;
use clap::Args;
use rustix::process::{Pid, Signal, WaitOptions};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

/// Name of the hidden subcommand.
pub const NAME: &str = "__wait-then-exec";

/// Stops, and becomes a command when continued.
#[derive(Args, Debug)]
pub struct Gate {
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl Gate {
    /// Returns only when the command could not be executed.
    pub fn run(self) -> Outcome {
        let failed = |error: io::Error| Failure::new(format!("waiting to be let go: {error}"), "");
        // A recorder that dies meanwhile must not leave a stopped process behind; the command itself may outlive it.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|e| failed(e.into()))?;
        rustix::process::kill_process(rustix::process::getpid(), Signal::STOP)
            .map_err(|e| failed(e.into()))?;
        rustix::process::set_parent_process_death_signal(None).map_err(|e| failed(e.into()))?;
        let (program, args) = self
            .command
            .split_first()
            .ok_or_else(|| Failure::usage("no command", ""))?;
        let error = Command::new(program).args(args).exec();
        Err(Failure::new(
            format!(
                "executing {}: {error}",
                Safe::new(program.as_encoded_bytes())
            ),
            "name a program in PATH, or its whole path",
        ))
    }
}

/// A command that waits behind the gate. Dropped before it is let go, it is killed.
pub struct Waiting {
    child: Option<Child>,
}

impl Waiting {
    /// Starts the gate and returns when it has stopped.
    pub fn start(command: &[OsString]) -> io::Result<Waiting> {
        let mut gate = Command::new(std::env::current_exe()?);
        gate.arg(NAME).arg("--").args(command);
        Waiting::of(gate)
    }

    fn of(mut gate: Command) -> io::Result<Waiting> {
        let child = gate.spawn()?;
        let waiting = Waiting { child: Some(child) };
        loop {
            match rustix::process::waitpid(Some(waiting.process()?), WaitOptions::UNTRACED) {
                Ok(Some((_, status))) if status.stopped() => return Ok(waiting),
                Ok(_) => return Err(io::Error::other("the command ended before it began")),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn process(&self) -> io::Result<Pid> {
        let id = self.child.as_ref().map_or(0, Child::id);
        i32::try_from(id)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("no such process"))
    }

    /// The pid the command will have.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Lets the command begin.
    pub fn release(mut self) -> io::Result<Child> {
        rustix::process::kill_process(self.process()?, Signal::CONT)?;
        self.child
            .take()
            .ok_or_else(|| io::Error::other("no such process"))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a command ended, for people: `exit code 3`, `killed by signal 9`.
pub fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for the hidden subcommand, which a unit test's binary does not have.
    fn gate(then: &str) -> Command {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("kill -STOP $$; {then}")]);
        shell
    }

    #[test]
    fn nothing_runs_before_it_is_let_go_and_everything_after() {
        let dir = tempfile::tempdir().expect("a directory");
        let mark = dir.path().join("mark");
        let waiting = Waiting::of(gate(&format!("touch {}; exit 7", mark.display())))
            .expect("a stopped child");
        assert!(!mark.exists());
        let mut child = waiting.release().expect("let go");
        assert_eq!(ending(child.wait().expect("its end")), "exit code 7");
        assert!(mark.exists());
    }

    #[test]
    fn a_command_that_is_never_let_go_is_killed() {
        let waiting = Waiting::of(gate("sleep 1000")).expect("a stopped child");
        let pid = waiting.process().expect("its pid");
        drop(waiting);
        assert_eq!(
            rustix::process::test_kill_process(pid),
            Err(rustix::io::Errno::SRCH)
        );
    }
}
