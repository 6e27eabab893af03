//! Descriptors that a process had open before it was met.

use super::World;
use super::quick::Fds;
use crate::procfs::{self, Life, OpenFd};
use crate::sockets::{Found, Untold};
use afterimage_model::{FileId, ProcId, Role};

impl World {
    /// What a process has open: as the kernel listed it when the recording began, or else as /proc says now. What sockets are
    /// that the kernel did not list is read beside, because the tables of them may take seconds.
    pub(super) fn opened_before(
        &mut self,
        owner: ProcId,
        pid: u32,
        start_ns: u64,
        netns: u32,
    ) -> Fds {
        let listed = self.open.as_mut().and_then(|all| all.remove(&pid));
        let listed = listed.filter(|(began, _)| procfs::is_start(start_ns, *began));
        let read = || Life::of(pid, start_ns).map_or_else(Vec::new, |life| life.descriptors());
        let mut fds = Fds::default();
        let mut sockets = Vec::new();
        for open in listed.map_or_else(read, |(_, open)| open) {
            let file = self.had_open(owner, &open, None, netns);
            fds.insert(open.fd, file);
            if open.is_untold_socket() {
                sockets.push((open, file));
            }
        }
        self.sockets.ask(Untold {
            pid,
            start_ns,
            netns,
            sockets,
        });
        fds
    }

    fn had_open(
        &mut self,
        owner: ProcId,
        open: &OpenFd,
        socket: Option<&Found>,
        netns: u32,
    ) -> FileId {
        let file = self.objects.found(&mut self.tables, open, socket, netns);
        let told = open.socket.as_ref().and_then(|file| file.socket.as_ref());
        let netns = told.map_or(netns, |socket| socket.netns);
        if let Some(flow) = self.tables.file(file).and_then(|row| row.flow) {
            let listens = flow.role == Role::Server && !flow.is_connected();
            let place = listens.then_some((netns, flow.local.port()));
            self.tcp.own(open.id.1, place, owner);
        }
        file
    }

    /// Takes in what was read of sockets since; `wait` waits for one answer. Gives whether there are more to come.
    pub(crate) fn sockets_told(&mut self, wait: bool) -> bool {
        for told in self.sockets.told(wait) {
            let same = |began| procfs::is_start(began, told.start_ns);
            let Some(owner) = (self.live.get(&told.pid))
                .filter(|live| same(live.start_ns))
                .map(|live| live.row)
            else {
                continue;
            };
            for (open, before, found) in &told.sockets {
                let file = self.had_open(owner, open, Some(found), told.netns);
                if let Some(live) = self.live.get_mut(&told.pid)
                    && live.fds.get(open.fd) == Some(*before)
                {
                    live.fds.insert(open.fd, file);
                }
            }
            self.changes += 1;
        }
        self.sockets.is_asked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::Wanted;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};

    #[test]
    fn sockets_that_the_kernel_did_not_list_are_known_once_they_were_looked_up() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("afterimage a socket {}", std::process::id());
        let unix =
            UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut world = World::new(Wanted::All);
        let pid = std::process::id();
        world.admit(procfs::process(pid).unwrap());
        let row = |world: &World, fd: i32| {
            let file = world.live[&pid].fds.get(fd).unwrap();
            world.tables.file(file).unwrap().clone()
        };
        assert_eq!(
            row(&world, tcp.as_raw_fd()).flow,
            None,
            "it is not waited for"
        );
        while world.sockets_told(true) {}
        let flow = row(&world, tcp.as_raw_fd()).flow.unwrap();
        assert_eq!(
            (flow.local, flow.role),
            (tcp.local_addr().unwrap(), Role::Server)
        );
        assert_eq!(
            row(&world, unix.as_raw_fd()).path,
            format!("@{name}").as_bytes()
        );
    }

    #[test]
    fn a_descriptor_that_is_another_by_then_stays_what_it_is() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut world = World::new(Wanted::All);
        let pid = std::process::id();
        world.admit(procfs::process(pid).unwrap());
        let fds = &mut world.live.get_mut(&pid).unwrap().fds;
        fds.insert(tcp.as_raw_fd(), FileId(4711));
        while world.sockets_told(true) {}
        let now = world.live[&pid].fds.get(tcp.as_raw_fd());
        assert_eq!(now, Some(FileId(4711)));
    }
}
