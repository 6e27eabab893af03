//! The views that are put together from many events: the state at an instant, talks, sessions, stories, maps.

use super::{Aggregate, Column, Made, Shape, Unit, View};

/// These views, in the order in which they are listed.
pub(super) const MADE: &[View] = views! {
    "ps" '@' "Processes at an instant" Made(Processes) "" => Some("lsof"), "" sorted by 0 keeps ["COMMAND" "PID" "PPID" "USER" "CONTAINER"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "VPID" "proc.vpid" 6 First Plain "Process id inside its pid namespace.";
        "PPID" "proc.ppid" 8 First Plain "The parent's pid.";
        "USER" "user.shown" 10 First Plain "Effective user: the name, else the id.";
        "TTY" "of.tty" 6 First Plain "Controlling terminal.";
        "STARTED" "proc.pid.ts" 19 First Time "When it started.";
        "FDS" "of.descriptors" 5 Count Plain "Descriptors known to be open.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "LEARNT" "of.origin" 8 First Plain "How it is known: seen by the kernel programs, or read from /proc.";
        "COMMAND" "proc.exeline" 0 First Plain "All arguments; the name in brackets where they are not known.";
    } "Processes that lived at the instant, as ps would have shown them.";

    "lsof" '\0' "Descriptors at an instant" Made(Descriptors) "" => Some("events"), "" sorted by 0 keeps ["NAME" "FD" "COMMAND" "PID" "TYPE"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "COMMAND" "proc.name" 16 First Plain "Process.";
        "USER" "user.shown" 10 First Plain "Effective user: the name, else the id.";
        "FD" "fd.num" 5 Key Plain "Descriptor.";
        "TYPE" "fd.type" 10 First Plain "What it is.";
        "SINCE" "of.since" 9 First Plain "Number of the event that opened it; empty when it was open before.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "NAME" "fd.name" 0 First Plain "Path, or the two ends of a connection.";
    } "Files and sockets that were open at the instant, as lsof would have shown them.";

    "netstat" '\0' "Sockets at an instant" Made(Sockets) "" => Some("conversation"), "" sorted by 0 keeps ["LOCAL" "REMOTE" "STATE" "COMMAND" "PROTO"] {
        "PROTO" "of.protocol" 6 First Plain "Protocol.";
        "LOCAL" "of.local" 26 Key Plain "Own end.";
        "REMOTE" "of.remote" 26 Key Plain "Other end.";
        "STATE" "of.state" 12 First Plain "LISTEN, CONNECTED or BOUND, as far as the events tell.";
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "FD" "fd.num" 5 Key Plain "Descriptor.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Sockets that were open at the instant, as netstat would have shown them.";

    "mounts" '\0' "Mounts at an instant" Made(Mounts) "" => Some("events"), "" sorted by 0 keeps ["POINT" "TYPE" "SOURCE" "CONTAINER"] {
        "NAMESPACE" "of.namespace" 11 Key Plain "Mount namespace.";
        "CONTAINER" "of.container" 16 First Plain "Container.";
        "POINT" "of.point" 36 Key Plain "Where it is.";
        "TYPE" "of.fstype" 10 First Plain "File system.";
        "SOURCE" "of.source" 30 First Plain "What is mounted.";
        "SINCE" "of.since" 9 First Plain "Number of the event that mounted it; empty when it was there before.";
        "OPTIONS" "of.options" 0 First Plain "Options.";
    } "What was mounted at the instant.";

    "env" '\0' "Environment at an instant" Made(Environment) "" => Some("events"), "" sorted by 0 keeps ["VARIABLE" "VALUE" "COMMAND" "PID"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "COMMAND" "proc.name" 16 First Plain "Process.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "VARIABLE" "of.variable" 28 Key Plain "Name.";
        "VALUE" "of.value" 0 First Plain "Value; hidden when the name says that it is a secret.";
    } "Variables of processes that lived at the instant, as they were when the program was executed.";

    "containers_at" '\0' "Containers at an instant" Made(Containers) "" => Some("ps"), "" sorted by 0 keeps ["NAME" "IMAGE" "PROCS" "COMMAND" "ID"] {
        "ID" "container.id" 13 Key Plain "First twelve characters of the id.";
        "NAME" "container.name" 20 First Plain "Name.";
        "IMAGE" "container.image" 30 First Plain "Image it was started from.";
        "TYPE" "container.type" 10 First Plain "Runtime.";
        "PROCS" "of.processes" 6 Count Plain "Processes that lived.";
        "USER" "container.user" 10 First Plain "User it was told to run as.";
        "STARTED" "container.start_ts" 19 First Time "When it was made, or first seen.";
        "COMMAND" "container.command" 0 First Plain "Program and arguments.";
    } "Containers that lived at the instant.";

    "talks" 'K' "Talks" Made(Talks) "" => Some("conversation"), "" sorted by 0 keeps ["CLIENT" "SERVER" "ABOUT" "SENT" "RECEIVED" "SPEAKS"] {
        "FIRST" "of.first" 19 First Time "First event.";
        "KIND" "of.kind" 6 First Plain "tcp, udp, unix or pipe; terminals are in the view sessions.";
        "SPEAKS" "of.protocol" 11 First Plain "Protocol, where what was said is recognised.";
        "CLIENT" "of.client" 30 Key Plain "Who began, with its address.";
        "SERVER" "of.server" 30 Key Plain "Who answered, with its address.";
        "SENT" "of.sent" 8 Sum Bytes "Bytes from client to server.";
        "RECEIVED" "of.received" 8 Sum Bytes "Bytes from server to client.";
        "LASTED" "of.lasted" 8 Max Duration "From the first event to the last.";
        "ENDS" "of.ends" 5 Count Plain "How many of the two ends were recorded.";
        "ABOUT" "of.about" 0 First Plain "What it was about.";
    } "Who talked to whom over sockets and pipes, with both ends joined.";

    "conversation" '\0' "Conversation" Made(Lines) "" => Some("events"), "" sorted by 0 keeps ["TEXT" "WAY" "WHO" "TIME"] {
        "TIME" "of.first" 19 First Time "When it was sent.";
        "NUM" "of.num" 9 Key Plain "Number of the event.";
        "WHO" "of.who" 24 First Plain "Who said it.";
        "WAY" "of.way" 3 First Plain "> from the client, < from the server.";
        "TEXT" "of.text" 0 First Plain "What was said.";
    } "What was said over a connection, pipe or terminal, line by line, both ways in the order of time.";

    "conversation_bytes" '\0' "Conversation in bytes" Made(Bytes) "" => Some("events"), "" sorted by 0 keeps ["HEX" "TEXT" "WAY" "OFFSET"] {
        "TIME" "of.first" 19 First Time "When it was sent.";
        "NUM" "of.num" 9 Key Plain "Number of the event.";
        "WHO" "of.who" 20 First Plain "Who said it.";
        "WAY" "of.way" 3 First Plain "> from the client, < from the server.";
        "OFFSET" "of.offset" 8 First Plain "Bytes that this way had said before.";
        "HEX" "of.hex" 48 First Plain "Sixteen bytes.";
        "TEXT" "of.text" 16 First Plain "The same, where printable.";
    } "What was said over a connection, pipe or terminal, in hex.";

    "messages" '\0' "Messages of protocols" Made(Messages) "" => Some("events"), "" sorted by 0 keeps ["MESSAGE" "WHO" "TIME" "TO" "SPEAKS"] {
        "TIME" "of.first" 19 First Time "When it was sent.";
        "NUM" "of.num" 9 Key Plain "Number of the event.";
        "SPEAKS" "of.protocol" 11 First Plain "Protocol.";
        "WHO" "of.who" 24 First Plain "Who said it.";
        "TO" "of.to" 24 First Plain "To whom.";
        "MESSAGE" "of.text" 0 First Plain "What it means.";
    } "Requests, answers and greetings of HTTP, DNS, TLS, Redis, PostgreSQL, MySQL, memcached, SSH and StatsD.";

    "http" 'H' "HTTP requests" Made(Http) "" => Some("conversation"), "" sorted by 0 keeps ["URL" "STATUS" "TIME" "METHOD" "TOOK" "CLIENT"] {
        "TIME" "of.first" 19 First Time "When it was asked.";
        "NUM" "of.num" 9 Key Plain "Number of the event.";
        "METHOD" "of.method" 7 First Plain "Method.";
        "STATUS" "of.status" 6 First Plain "Status of the answer; empty when there was none.";
        "TOOK" "of.took" 8 First Duration "From the request to the answer.";
        "CLIENT" "of.client" 24 First Plain "Who asked.";
        "SERVER" "of.server" 24 First Plain "Who was asked.";
        "BYTES" "of.received" 8 Sum Bytes "Bytes of the answer, with its head.";
        "URL" "of.url" 0 First Plain "Host and path.";
    } "Requests of HTTP/1 and their answers.";

    "http_top" '\0' "HTTP by path" Made(HttpTop) "" => Some("http"), "" sorted by 2 keeps ["URL" "COUNT" "STATUS" "METHOD" "MEAN"] {
        "METHOD" "of.method" 7 Key Plain "Method.";
        "STATUS" "of.status" 6 Key Plain "Status of the answer.";
        "COUNT" "of.count" 8 Sum Plain "Requests.";
        "MEAN" "of.took" 8 Avg Duration "From request to answer, in the mean.";
        "SLOWEST" "of.slowest" 8 Max Duration "From request to answer, at most.";
        "BYTES" "of.received" 8 Sum Bytes "Bytes of the answers.";
        "URL" "of.url" 0 Key Plain "Host and path, without what follows a question mark.";
    } "Requests of HTTP/1 by method, status, host and path.";

    "sessions" 'S' "Sessions" Made(Sessions) "" => Some("terminal"), "" sorted by 0 keeps ["SHELL" "ABOUT" "USER" "ON" "CONTAINER" "LASTED"] {
        "FIRST" "of.first" 19 First Time "First event.";
        "KIND" "of.kind" 6 First Plain "tty, or the socket or pipe that a shell had in its place.";
        "ON" "of.on" 30 Key Plain "Terminal, or the two ends.";
        "LASTED" "of.lasted" 8 Max Duration "From the first event to the last.";
        "SHELL" "of.who" 20 First Plain "Shell, or who wrote first.";
        "USER" "of.user" 10 First Plain "Effective user.";
        "CONTAINER" "of.container" 16 First Plain "Container.";
        "TYPED" "of.received" 8 Sum Bytes "Bytes that were typed.";
        "SHOWN" "of.sent" 8 Sum Bytes "Bytes that were shown.";
        "ABOUT" "of.about" 0 First Plain "First line that was typed.";
    } "Terminals that were used, and shells whose terminal is a socket or a pipe.";

    "terminal" '\0' "Terminal at an instant" Made(Terminal) "" => None, "" sorted by 0 keeps ["SCREEN"] {
        "LINE" "of.line" 4 Key Plain "Line of the screen.";
        "SCREEN" "of.text" 0 First Plain "What it showed.";
    } "What the terminal showed at the instant: move the cursor on the timeline, or play.";

    "map" 'W' "Who talks to whom" Made(Map) "" => Some("talks"), "" sorted by 0 keeps ["CLIENT" "SERVER" "PORT" "SENT" "RECEIVED" "PROTO"] {
        "CLIENT" "of.client" 30 Key Plain "Container and program that began, or its address.";
        "SERVER" "of.server" 30 Key Plain "Container and program that answered, or its address.";
        "PROTO" "of.kind" 6 Key Plain "Protocol.";
        "PORT" "of.port" 6 Key Plain "Port of the server.";
        "TALKS" "of.count" 6 Sum Plain "How many.";
        "SENT" "of.sent" 8 Sum Bytes "Bytes from client to server.";
        "RECEIVED" "of.received" 8 Sum Bytes "Bytes from server to client.";
        "ERRORS" "of.errors" 7 Sum Plain "Calls that failed.";
        "FIRST" "of.first" 19 First Time "First event.";
        "LAST" "of.last" 19 Last Time "Last event.";
        "SPEAKS" "of.protocol" 0 First Plain "Protocol, where what was said is recognised.";
    } "Which programs and containers talked to which.";

    "story" 'J' "Story" Made(Story) "" => Some("events"), "" sorted by 0 keeps ["WHAT HAPPENED" "STEP" "TIME" "PART"] {
        "TIME" "of.first" 19 First Time "When.";
        "NUM" "of.num" 9 Key Plain "Number of the event; empty where nothing was recorded.";
        "PART" "of.part" 7 First Plain "before, here or after the event that was asked about.";
        "STEP" "of.step" 10 First Plain "What kind of step it is.";
        "TIMES" "of.count" 6 Sum Plain "How often the same happened.";
        "WHAT HAPPENED" "of.text" 0 First Plain "In a sentence.";
    } "What led to the first of the selected events, and what the processes below it went on to do.";

    "lives" '\0' "Lives of containers" Made(Lives) "" => Some("events"), "" sorted by 0 keeps ["WHAT HAPPENED" "TIME" "TURN" "CONTAINER"] {
        "TIME" "of.first" 19 First Time "When.";
        "NUM" "of.num" 9 Key Plain "Number of the event; empty for what a runtime said of it.";
        "CONTAINER" "of.container" 20 Key Plain "Container.";
        "TURN" "of.step" 10 First Plain "made, started, entered, killed, ended, removed.";
        "WHAT HAPPENED" "of.text" 0 First Plain "In a sentence.";
    } "When containers were made, started, entered and ended, and why.";

    "findings" 'Q' "Findings" Made(Findings) "" => Some("events"), "" sorted by 0 keeps ["EVIDENCE" "FINDING" "CIS" "CONTAINER"] {
        "CONTAINER" "of.container" 20 Key Plain "Container.";
        "CIS" "of.cis" 5 Key Plain "Number in the CIS Docker Benchmark; empty when it has none.";
        "FINDING" "of.step" 26 First Plain "What was found.";
        "EVIDENCE" "of.text" 0 First Plain "What says so.";
        "NUM" "of.num" 9 First Plain "Number of the first event that shows it.";
        "BETTER" "of.better" 20 First Plain "How it is done better.";
    } "How containers were run that makes an attack easier, each with its evidence.";

    "latency" '\0' "Spectrogram" Made(Latencies) "evt.latency>0" => Some("events"), "" sorted by 0 keeps ["FROM" "<1ms" "<10ms" "<100ms" "<1s" "<10s" "more" "<100us" "<10us" "<1us"] {
        "FROM" "of.first" 19 Key Time "Beginning of the step.";
        "<1us" "of.bin.0" 7 Sum Heat "Calls that waited less than a microsecond.";
        "<10us" "of.bin.1" 7 Sum Heat "Calls that waited up to ten microseconds.";
        "<100us" "of.bin.2" 7 Sum Heat "Calls that waited up to a hundred microseconds.";
        "<1ms" "of.bin.3" 7 Sum Heat "Calls that waited up to a millisecond.";
        "<10ms" "of.bin.4" 7 Sum Heat "Calls that waited up to ten milliseconds.";
        "<100ms" "of.bin.5" 7 Sum Heat "Calls that waited up to a tenth of a second.";
        "<1s" "of.bin.6" 7 Sum Heat "Calls that waited up to a second.";
        "<10s" "of.bin.7" 7 Sum Heat "Calls that waited up to ten seconds.";
        "more" "of.bin.8" 7 Sum Heat "Calls that waited longer.";
    } "How long calls waited, over time; Enter opens the events of the selected cell.";

    "subsecond" '\0' "Within the second" Made(Subsecond) "" => Some("events"), "" sorted by 0 keeps ["FROM" ".0" ".1" ".2" ".3" ".4" ".5" ".6" ".7" ".8" ".9"] {
        "FROM" "of.first" 19 Key Time "Beginning of the step.";
        ".0" "of.bin.0" 6 Sum Heat "First tenth of the second.";
        ".1" "of.bin.1" 6 Sum Heat "Second tenth.";
        ".2" "of.bin.2" 6 Sum Heat "Third tenth.";
        ".3" "of.bin.3" 6 Sum Heat "Fourth tenth.";
        ".4" "of.bin.4" 6 Sum Heat "Fifth tenth.";
        ".5" "of.bin.5" 6 Sum Heat "Sixth tenth.";
        ".6" "of.bin.6" 6 Sum Heat "Seventh tenth.";
        ".7" "of.bin.7" 6 Sum Heat "Eighth tenth.";
        ".8" "of.bin.8" 6 Sum Heat "Ninth tenth.";
        ".9" "of.bin.9" 6 Sum Heat "Last tenth.";
    } "At which tenth of a second things happened, over time: what runs by a clock stands out.";

    "course" '\0' "I/O over time" Made(Course) "" => Some("events"), "" sorted by 0 keeps ["FROM" "EVENTS" "ERRORS" "PROGRAMS" "NET OUT" "NET IN" "FILE OUT" "FILE IN"] {
        "FROM" "of.first" 19 Key Time "Beginning of the step.";
        "EVENTS" "of.bin.0" 9 Sum Heat "Events.";
        "FILE IN" "of.bin.1" 9 Sum Heat "Bytes read from files.";
        "FILE OUT" "of.bin.2" 9 Sum Heat "Bytes written to files.";
        "NET IN" "of.bin.3" 9 Sum Heat "Bytes received.";
        "NET OUT" "of.bin.4" 9 Sum Heat "Bytes sent.";
        "PROGRAMS" "of.bin.5" 9 Sum Heat "Programs executed.";
        "ERRORS" "of.bin.6" 9 Sum Heat "Calls that failed.";
    } "Events, bytes, programs and errors over time.";

    "alerts" 'A' "Alerts" Made(Alerts) "" => Some("story"), "" sorted by 0 keeps ["RULE" "OUTPUT" "TIME" "PRIORITY" "CONTAINER"] {
        "TIME" "of.first" 19 First Time "When.";
        "NUM" "of.num" 9 Key Plain "Number of the event.";
        "PRIORITY" "of.priority" 13 First Plain "How bad the rule says it is.";
        "RULE" "of.rule" 36 Key Plain "Rule.";
        "CONTAINER" "of.container" 16 First Plain "Container.";
        "OUTPUT" "of.text" 0 First Plain "What the rule says.";
    } "Rules that fired, where rule files were given; Enter tells how it came to that.";
};
