//! Which room's relay is played where no address was given. Pure, but for the file that remembers:
//! whoever asks brings the time and the rooms that were heard of.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::discovery::Room;

/// Rooms are not heard of all at once: so long after the first one it is decided.
const SETTLE: Duration = Duration::from_millis(1500);
/// The room of the last time is taken by itself after this, and after the last key.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// No room has been heard of.
    Looking,
    /// Somebody is to choose.
    Asking {
        /// Of these, in the order of their names.
        rooms: Vec<Room>,
        /// The one that is marked.
        marked: usize,
        /// When the marked one is taken by itself.
        taken_at: Option<Instant>,
    },
    /// This one is played.
    Chosen(Room),
}

/// Chooses.
#[derive(Debug)]
pub struct Chooser {
    choice: Choice,
    rooms: Vec<Room>,
    heard: Option<Instant>,
    /// The room of the last time, by name.
    last: Option<String>,
    file: PathBuf,
}

impl Chooser {
    /// Remembers in this file.
    pub fn new(file: &Path) -> Self {
        let last = std::fs::read_to_string(file).ok();
        Self {
            choice: Choice::Looking,
            rooms: Vec::new(),
            heard: None,
            last: last.map(|name| name.trim().to_owned()),
            file: file.to_owned(),
        }
    }

    /// What is to be seen now.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// These rooms are known by now. `true`: something else is to be seen.
    pub fn hear(&mut self, mut rooms: Vec<Room>, now: Instant) -> bool {
        rooms.sort_by(|a, b| (&a.name, a.url.as_str()).cmp(&(&b.name, b.url.as_str())));
        if self.heard.is_none() && !rooms.is_empty() {
            self.heard = Some(now);
        }
        self.rooms = rooms;
        match &mut self.choice {
            Choice::Looking => false,
            Choice::Asking { rooms, marked, .. } => {
                let kept = rooms.get(*marked).map(|room| room.name.clone());
                if self.rooms.is_empty() {
                    self.choice = Choice::Looking;
                    self.heard = None;
                    return true;
                }
                let found = self
                    .rooms
                    .iter()
                    .position(|own| Some(&own.name) == kept.as_ref());
                *marked = found.unwrap_or(0);
                *rooms = self.rooms.clone();
                true
            }
            // The room has got another address.
            Choice::Chosen(room) => {
                let other = self.rooms.iter().find(|own| own.name == room.name);
                match other.filter(|other| other.url != room.url) {
                    // Two rooms of one name: the one that is played is still there.
                    Some(_) if self.rooms.contains(room) => false,
                    Some(other) => {
                        *room = other.clone();
                        true
                    }
                    None => false,
                }
            }
        }
    }

    /// Time has passed. `true`: something else is to be seen.
    pub fn poll(&mut self, now: Instant) -> bool {
        match &self.choice {
            Choice::Looking => {
                let settled = self
                    .heard
                    .is_some_and(|at| now.duration_since(at) >= SETTLE);
                if self.rooms.is_empty() {
                    self.heard = None;
                    return false;
                }
                if !settled {
                    return false;
                }
                match &self.rooms[..] {
                    [only] => self.take(only.clone()),
                    _ => self.ask(now),
                }
                true
            }
            Choice::Asking {
                rooms,
                marked,
                taken_at: Some(at),
            } if now >= *at => match rooms.get(*marked).cloned() {
                Some(room) => {
                    self.take(room);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    /// Asks, also where one is played already.
    pub fn ask(&mut self, now: Instant) {
        if self.rooms.is_empty() {
            return;
        }
        let known = |name: &String| self.rooms.iter().position(|room| room.name == *name);
        let last = self.last.as_ref().and_then(known);
        self.choice = Choice::Asking {
            rooms: self.rooms.clone(),
            marked: last.unwrap_or(0),
            taken_at: last.map(|_| now + PATIENCE),
        };
    }

    /// Marks the room so many rows further down.
    pub fn step(&mut self, rows: isize, now: Instant) {
        if let Choice::Asking {
            rooms,
            marked,
            taken_at,
        } = &mut self.choice
        {
            let last = rooms.len().saturating_sub(1);
            *marked = marked.saturating_add_signed(rows).min(last);
            *taken_at = taken_at.map(|_| now + PATIENCE);
        }
    }

    /// Takes the marked room, or the one of that row. `true`: there is one.
    pub fn confirm(&mut self, row: Option<usize>) -> bool {
        let Choice::Asking { rooms, marked, .. } = &self.choice else {
            return false;
        };
        let Some(room) = rooms.get(row.unwrap_or(*marked)).cloned() else {
            return false;
        };
        self.take(room);
        true
    }

    fn take(&mut self, room: Room) {
        if self.last.as_ref() != Some(&room.name) {
            if let Err(error) = remember(&self.file, &room.name) {
                tracing::warn!(
                    "the room cannot be remembered in {}: {error}; next time somebody has to choose again",
                    self.file.display()
                );
            }
            self.last = Some(room.name.clone());
        }
        self.choice = Choice::Chosen(room);
    }
}

fn remember(file: &Path, name: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Whole or not at all, whenever the power goes.
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, format!("{name}\n"))?;
    std::fs::rename(&fresh, file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn room(name: &str) -> Room {
        let host = name.to_lowercase();
        Room {
            name: name.to_owned(),
            url: format!("rtsp://{host}:8554/programme").parse().unwrap(),
            host,
        }
    }

    struct Drive {
        chooser: Chooser,
        now: Instant,
        folder: tempfile::TempDir,
    }

    impl Drive {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self {
                chooser: Chooser::new(&folder.path().join("deep/screen")),
                now: Instant::now(),
                folder,
            }
        }

        /// The same screen on another morning.
        fn again(self) -> Self {
            Self {
                chooser: Chooser::new(&self.folder.path().join("deep/screen")),
                ..self
            }
        }

        fn hear(&mut self, names: &[&str]) {
            let rooms = names.iter().map(|name| room(name)).collect();
            self.chooser.hear(rooms, self.now);
        }

        fn pass(&mut self, seconds: u64) {
            for _ in 0..seconds * 10 {
                self.now += Duration::from_millis(100);
                self.chooser.poll(self.now);
            }
        }

        fn chosen(&self) -> Option<&str> {
            match self.chooser.choice() {
                Choice::Chosen(room) => Some(&room.name),
                _ => None,
            }
        }

        fn asked(&self) -> Option<(Vec<&str>, usize)> {
            match self.chooser.choice() {
                Choice::Asking { rooms, marked, .. } => {
                    Some((rooms.iter().map(|room| &*room.name).collect(), *marked))
                }
                _ => None,
            }
        }
    }

    #[test]
    fn the_only_room_is_played_and_others_are_waited_for_a_moment() {
        let mut drive = Drive::new();
        drive.pass(60);
        assert_eq!(drive.chooser.choice(), &Choice::Looking);
        drive.hear(&["A"]);
        drive.pass(1);
        assert_eq!(drive.chosen(), None);
        drive.pass(1);
        assert_eq!(drive.chosen(), Some("A"));
        // It goes on whatever else is heard, or not heard any more.
        drive.hear(&["A", "B"]);
        drive.hear(&[]);
        drive.pass(60);
        assert_eq!(drive.chosen(), Some("A"));
    }

    #[test]
    fn of_several_somebody_chooses_and_the_next_time_nobody_has_to() {
        let mut drive = Drive::new();
        drive.hear(&["B", "A", "C"]);
        drive.pass(2);
        assert_eq!(drive.asked(), Some((vec!["A", "B", "C"], 0)));
        drive.pass(600);
        assert!(drive.asked().is_some(), "nothing is known of this place");
        drive.chooser.step(-1, drive.now);
        drive.chooser.step(7, drive.now);
        assert_eq!(drive.asked().unwrap().1, 2);
        drive.chooser.step(-1, drive.now);
        assert!(drive.chooser.confirm(None));
        assert_eq!(drive.chosen(), Some("B"));
        let mut drive = drive.again();
        drive.hear(&["A", "B"]);
        drive.pass(2);
        assert_eq!(drive.asked().unwrap().1, 1);
        drive.pass(8);
        assert!(drive.asked().is_some());
        drive.pass(3);
        assert_eq!(drive.chosen(), Some("B"));
    }

    #[test]
    fn whoever_is_choosing_is_not_hurried() {
        let mut drive = Drive::new();
        drive.hear(&["A"]);
        drive.pass(2);
        drive.hear(&["A", "B"]);
        drive.chooser.ask(drive.now);
        for _ in 0..5 {
            drive.pass(8);
            drive.chooser.step(1, drive.now);
        }
        assert_eq!(drive.asked().unwrap().1, 1);
        // The mark stays on its room when another one comes or goes.
        drive.hear(&["0", "A", "B"]);
        assert_eq!(drive.asked().unwrap().1, 2);
        assert!(drive.chooser.confirm(Some(0)));
        assert_eq!(drive.chosen(), Some("0"));
    }

    #[test]
    fn a_room_that_moves_is_followed() {
        let mut drive = Drive::new();
        drive.hear(&["A"]);
        drive.pass(2);
        let mut moved = room("A");
        moved.url = "rtsp://10.0.0.9:8554/programme".parse().unwrap();
        assert!(drive.chooser.hear(vec![moved.clone()], drive.now));
        assert_eq!(drive.chooser.choice(), &Choice::Chosen(moved));
    }
}
