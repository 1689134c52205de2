//! The panel's line to the engine. Two threads: `link` keeps a subscribed connection, `wishes`
//! sends commands. Neither is waited for; what they hear comes back into the main loop by a
//! channel. An engine that goes is looked for until it is back.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::control::client::{AskError, Client};
use crate::model::{Command, Event, Refused, Reply, Request, Snapshot};

/// Pause between two attempts to find the engine.
const AGAIN: Duration = Duration::from_millis(250);
/// Figures come every second: an engine that is silent for so long does not answer.
const SILENT: Duration = Duration::from_secs(3);

/// What the panel hears.
#[derive(Debug)]
pub enum Heard {
    /// The engine is there; this is all.
    Snapshot(Box<Snapshot>),
    /// Something happened.
    Event(Box<Event>),
    /// The engine is not there, or no longer answers.
    Lost,
    /// A command was not carried out.
    Refused(Refused),
}

/// The line. Dropped, its threads end when they next wake.
#[derive(Debug)]
pub struct Link {
    wishes: Sender<Command>,
}

impl Link {
    /// Starts looking for the engine behind `socket`.
    pub fn start(socket: &Path) -> std::io::Result<(Self, async_channel::Receiver<Heard>)> {
        let (sender, heard) = async_channel::unbounded();
        let (wishes, queue) = channel();
        let (path, own) = (socket.to_owned(), sender.clone());
        std::thread::Builder::new()
            .name("link".into())
            .spawn(move || listen(&path, &own))?;
        let path = socket.to_owned();
        std::thread::Builder::new()
            .name("wishes".into())
            .spawn(move || send(&path, &queue, &sender))?;
        Ok((Self { wishes }, heard))
    }

    /// Sends a command; a refusal is heard.
    pub fn send(&self, command: Command) {
        // The thread lives as long as the panel hears.
        let _ = self.wishes.send(command);
    }
}

/// Subscribes again and again.
fn listen(path: &Path, heard: &async_channel::Sender<Heard>) {
    let mut told = false;
    while !heard.is_closed() {
        let ended = subscribed(path, heard, &mut told);
        tracing::debug!("{ended}");
        if !std::mem::replace(&mut told, true) && heard.send_blocking(Heard::Lost).is_err() {
            return;
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

fn send(path: &Path, queue: &Receiver<Command>, heard: &async_channel::Sender<Heard>) {
    let mut client: Option<Client> = None;
    while let Ok(first) = queue.recv() {
        let mut waiting = vec![first];
        waiting.extend(queue.try_iter());
        for command in newest(waiting) {
            let request = Request::Change(command);
            let refused = match ask(path, &mut client, &request) {
                Ok(Reply::Refused(refused)) => refused,
                Ok(_) => continue,
                Err(error) => Refused::new("no-engine", error.to_string()),
            };
            if heard.send_blocking(Heard::Refused(refused)).is_err() {
                return;
            }
        }
    }
}

/// Asks on the connection there is, or on a new one when that has broken.
fn ask(path: &Path, client: &mut Option<Client>, request: &Request) -> Result<Reply, AskError> {
    if let Some(known) = client {
        match known.ask(request) {
            Err(AskError::Broken(_)) => *client = None,
            answer => return answer,
        }
    }
    let mut fresh = Client::connect(path)?;
    let answer = fresh.ask(request);
    if answer.is_ok() {
        *client = Some(fresh);
    }
    answer
}

/// Leaves out what a later command of the same kind makes pointless: a fader gives many values.
fn newest(commands: Vec<Command>) -> Vec<Command> {
    let overtakes = |later: &Command, earlier: &Command| match (later, earlier) {
        (Command::Gain { source: a, .. }, Command::Gain { source: b, .. })
        | (Command::Delay { source: a, .. }, Command::Delay { source: b, .. }) => a == b,
        _ => false,
    };
    let mut kept: Vec<Command> = Vec::new();
    for command in commands {
        kept.retain(|earlier| !overtakes(&command, earlier));
        kept.push(command);
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
        let gain = |source: &str, db: f64| Command::Gain {
            source: source.parse().unwrap(),
            gain: Gain::from_db(db).unwrap(),
        };
        let slate = Command::Slate { on: true };
        let all = vec![
            gain("a", -1.0),
            slate.clone(),
            gain("b", -2.0),
            gain("a", -3.0),
            slate.clone(),
        ];
        assert_eq!(
            newest(all),
            [slate.clone(), gain("b", -2.0), gain("a", -3.0), slate]
        );
    }
}
