//! `regie rooms`: which rooms are there, for a technician who walks through the building.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::{Browser, Room};
use crate::cli::RoomsArgs;
use crate::model::message::to_line;

/// How long rooms are listened for: each answers within a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// The rooms that are found within two seconds, or with `--watch` the list as often as it changes.
pub fn run(args: &RoomsArgs, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let (sender, changes) = channel();
    let browser = Browser::start(move |rooms| {
        // Nobody listens any more when this process ends.
        let _ = sender.send(rooms);
    });
    let _browser = match browser {
        Ok(browser) => browser,
        Err(error) => {
            // Nothing is left to be told where stderr is closed.
            let _ = writeln!(err, "regie: {error}");
            return ExitCode::FAILURE;
        }
    };
    let shown = if args.watch {
        changes.iter().try_for_each(|rooms| show(args, &rooms, out))
    } else {
        let deadline = Instant::now() + PATIENCE;
        let mut rooms = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match changes.recv_timeout(left) {
                Ok(all) => rooms = all,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        show(args, &rooms, out)
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has gone.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(err, "regie: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(args: &RoomsArgs, rooms: &[Room], out: &mut impl Write) -> std::io::Result<()> {
    if args.json {
        writeln!(out, "{}", to_line(&rooms))?;
    } else {
        write!(out, "{}", text(rooms))?;
        if args.watch {
            writeln!(out)?;
        }
    }
    out.flush()
}

fn text(rooms: &[Room]) -> String {
    if rooms.is_empty() {
        return "No room is heard of. Is this machine in the same network? Rooms answer by mDNS, UDP \
                port 5353; an engine says nothing with announce = false in [discovery].\n"
            .to_owned();
    }
    let width = |of: fn(&Room) -> usize| rooms.iter().map(of).max().unwrap_or(0);
    let names = width(|room| room.name.chars().count());
    let urls = width(|room| room.url.as_str().len());
    let mut text = String::new();
    for room in rooms {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:names$}  {:urls$}  {}",
            room.name,
            room.url.as_str(),
            room.host
        );
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_a_table_and_an_empty_one_says_what_to_look_at() {
        let room = |name: &str, url: &str, host: &str| Room {
            name: name.to_owned(),
            url: url.parse().unwrap(),
            host: host.to_owned(),
        };
        let rooms = [
            room("Amphi é", "rtsp://10.0.0.5:8554/programme", "pc-a"),
            room("B", "rtsp://10.0.0.16:8554/programme", "pc-b"),
        ];
        assert_eq!(
            text(&rooms),
            "Amphi é  rtsp://10.0.0.5:8554/programme   pc-a\n\
             B        rtsp://10.0.0.16:8554/programme  pc-b\n"
        );
        assert!(text(&[]).starts_with("No room is heard of."));
        assert_eq!(
            to_line(&rooms[..1].to_vec()),
            r#"[{"name":"Amphi é","url":"rtsp://10.0.0.5:8554/programme","host":"pc-a"}]"#
        );
    }
}
