//! The panel's line to the engine. Two threads: `link` keeps a subscribed connection, `wishes`
//! sends commands. Neither is waited for; what they hear comes back into the main loop by a
//! channel. An engine that goes is looked for until it is back.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::control;
use crate::control::client::{AskError, Client};
use crate::model::{Command, Event, Inventory, Refused, Reply, Request, Snapshot};

/// Pause between two attempts to find the engine.
const AGAIN: Duration = Duration::from_millis(250);
/// Figures come every second: an engine that is silent for so long does not answer.
const SILENT: Duration = Duration::from_secs(3);
/// A wish that could not be sent for so long is not what the operator wants any more.
const LATE: Duration = Duration::from_secs(2);

/// What the panel hears.
#[derive(Debug)]
pub enum Heard {
    /// The engine is there; this is all.
    Snapshot(Box<Snapshot>),
    /// Something happened.
    Event(Box<Event>),
    /// The engine is not there, or no longer answers.
    Lost,
    /// Why it is not there, where it has left word.
    Trouble(Option<String>),
    /// A command was not carried out.
    Refused(Refused),
    /// Capture cards and audio inputs, as they were asked for.
    Devices(Box<Inventory>),
}

/// The line. Dropped, its threads end when they next wake.
#[derive(Debug)]
pub struct Link {
    wishes: Sender<Wish>,
    socket: PathBuf,
    heard: async_channel::Sender<Heard>,
}

/// A request, and when the operator made it.
type Wish = (Instant, Request);

impl Link {
    /// Starts looking for the engine behind `socket`.
    pub fn start(socket: &Path) -> std::io::Result<(Self, async_channel::Receiver<Heard>)> {
        let (sender, heard) = async_channel::unbounded();
        let (wishes, queue) = channel();
        let (path, own) = (socket.to_owned(), sender.clone());
        std::thread::Builder::new()
            .name("link".into())
            .spawn(move || listen(&path, &own))?;
        let (path, own) = (socket.to_owned(), sender.clone());
        std::thread::Builder::new()
            .name("wishes".into())
            .spawn(move || send(&path, &queue, &own))?;
        let link = Self {
            wishes,
            socket: socket.to_owned(),
            heard: sender,
        };
        Ok((link, heard))
    }

    /// Sends a request; a refusal is heard.
    pub fn send(&self, request: Request) {
        // The thread lives as long as the panel hears.
        let _ = self.wishes.send((Instant::now(), request));
    }
}

impl Link {
    /// Asks for the capture cards and audio inputs, on a connection of its own: a card that hangs takes
    /// seconds, and no wish waits for it. Without an answer nothing is heard.
    pub fn ask_devices(&self) {
        let (path, heard) = (self.socket.clone(), self.heard.clone());
        let asked = std::thread::Builder::new()
            .name("ask-devices".into())
            .spawn(move || {
                let answer = Client::connect(&path).and_then(|mut own| own.ask(&Request::Devices));
                if let Ok(Reply::Devices { devices }) = answer {
                    // A panel that ends no longer listens.
                    let _ = heard.send_blocking(Heard::Devices(devices));
                }
            });
        if let Err(error) = asked {
            tracing::warn!("the devices cannot be asked for: {error}");
        }
    }
}

/// Subscribes again and again.
fn listen(path: &Path, heard: &async_channel::Sender<Heard>) {
    let (mut told, mut known) = (false, None);
    while !heard.is_closed() {
        let ended = subscribed(path, heard, &mut told);
        tracing::debug!("{ended}");
        if !std::mem::replace(&mut told, true) && heard.send_blocking(Heard::Lost).is_err() {
            return;
        }
        let trouble = control::trouble(path);
        if trouble != known {
            known.clone_from(&trouble);
            // Only a panel that ends no longer listens, and then so it goes.
            let _ = heard.send_blocking(Heard::Trouble(trouble));
        }
        std::thread::sleep(AGAIN);
    }
}

/// Passes on what one connection tells, and answers why it ended.
fn subscribed(path: &Path, heard: &async_channel::Sender<Heard>, told: &mut bool) -> AskError {
    let mut pass = || -> Result<(), AskError> {
        let mut client = Client::connect(path)?;
        client.set_patience(Some(SILENT))?;
        if let Reply::Snapshot { snapshot } = client.ask(&Request::Subscribe)? {
            *told = false;
            hand_over(heard, Heard::Snapshot(snapshot))?;
        }
        loop {
            let event = client.event(Some(SILENT))?;
            hand_over(heard, Heard::Event(Box::new(event)))?;
        }
    };
    match pass() {
        Ok(()) => AskError::Broken(std::io::ErrorKind::UnexpectedEof.into()),
        Err(error) => error,
    }
}

fn hand_over(heard: &async_channel::Sender<Heard>, what: Heard) -> Result<(), AskError> {
    // Only a panel that ends no longer listens.
    heard
        .send_blocking(what)
        .map_err(|_| AskError::Broken(std::io::ErrorKind::BrokenPipe.into()))
}

fn send(path: &Path, queue: &Receiver<Wish>, heard: &async_channel::Sender<Heard>) {
    let mut client: Option<Client> = None;
    while let Ok(first) = queue.recv() {
        let mut waiting = vec![first];
        waiting.extend(queue.try_iter());
        for (given, request) in newest(waiting) {
            let refused = if given.elapsed() > LATE {
                Refused::new("late", "the engine did not answer in time")
            } else {
                match ask(path, &mut client, &request) {
                    Ok(Reply::Refused(refused)) => refused,
                    Ok(_) => continue,
                    Err(error) => Refused::new("no-engine", error.to_string()),
                }
            };
            if heard.send_blocking(Heard::Refused(refused)).is_err() {
                return;
            }
        }
    }
}

/// Asks on the connection there is, or on a new one where the engine has closed that. What was sent
/// is never sent again: it may have been carried out, and two takes are none.
fn ask(path: &Path, client: &mut Option<Client>, request: &Request) -> Result<Reply, AskError> {
    if client.as_ref().is_some_and(|known| !known.is_connected()) {
        *client = None;
    }
    let known = match client {
        Some(known) => known,
        None => client.insert(Client::connect(path)?),
    };
    let answer = known.ask(request);
    if answer.is_err() {
        *client = None;
    }
    answer
}

/// Leaves out what a later command of the same kind makes pointless: a fader gives many values.
fn newest(wishes: Vec<Wish>) -> Vec<Wish> {
    use Request::Change;
    let overtakes = |later: &Request, earlier: &Request| match (later, earlier) {
        (Change(Command::Gain { source: a, .. }), Change(Command::Gain { source: b, .. }))
        | (Change(Command::Delay { source: a, .. }), Change(Command::Delay { source: b, .. })) => {
            a == b
        }
        _ => false,
    };
    let mut kept: Vec<Wish> = Vec::new();
    for wish in wishes {
        kept.retain(|(_, earlier)| !overtakes(&wish.1, earlier));
        kept.push(wish);
    }
    kept
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Gain;

    #[test]
    fn only_the_last_value_of_a_fader_is_sent() {
        let gain = |source: &str, db: f64| {
            Request::Change(Command::Gain {
                source: source.parse().unwrap(),
                gain: Gain::from_db(db).unwrap(),
            })
        };
        let slate = Request::Change(Command::Slate {
            on: true,
            until: None,
        });
        let all = vec![
            gain("a", -1.0),
            slate.clone(),
            gain("b", -2.0),
            gain("a", -3.0),
            slate.clone(),
        ];
        let now = Instant::now();
        let wishes = all.into_iter().map(|request| (now, request)).collect();
        let kept: Vec<Request> = newest(wishes).into_iter().map(|(_, c)| c).collect();
        assert_eq!(
            kept,
            [slate.clone(), gain("b", -2.0), gain("a", -3.0), slate]
        );
    }
}
