//! The other end of the control socket, for the shell and for the panel.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Event, Reply, Request};

/// Longest wait for a reply.
pub(super) const REPLY: Duration = Duration::from_secs(25);

/// Why the engine could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no engine answers at {path}: {cause}")]
    NoEngine {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It broke off.
    #[error("the engine broke off: {0}")]
    Broken(#[from] std::io::Error),
    /// What was heard cannot be passed on.
    #[error("the answer cannot be written: {0}")]
    Output(#[source] std::io::Error),
    /// It speaks otherwise.
    #[error("the engine's answer is not understood: {0}")]
    Strange(#[from] serde_json::Error),
}

/// A connection to an engine.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    pub fn connect(path: &Path) -> Result<Self, AskError> {
        let no_engine = |cause| AskError::NoEngine {
            path: path.to_owned(),
            cause,
        };
        let stream = UnixStream::connect(path).map_err(no_engine)?;
        stream.set_read_timeout(Some(REPLY)).map_err(no_engine)?;
        let lines = BufReader::new(stream.try_clone().map_err(no_engine)?);
        Ok(Self { stream, lines })
    }

    /// Sends a request and waits for its reply.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, AskError> {
        let mut line = request.to_line();
        line.push('\n');
        self.stream.write_all(line.as_bytes())?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    /// Whether the engine still holds the connection. Does not wait.
    pub fn is_connected(&self) -> bool {
        super::is_open(&self.stream)
    }

    /// The next event, after a `subscribe`. Waits for as long as it takes, or for at most `patience`:
    /// then the connection is of no more use.
    pub fn event(&mut self, patience: Option<Duration>) -> Result<Event, AskError> {
        self.set_patience(patience)?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    /// Waits for replies for at most so long, instead of the long time that a slow disk may need.
    pub fn set_patience(&mut self, patience: Option<Duration>) -> Result<(), AskError> {
        Ok(self.stream.set_read_timeout(patience)?)
    }

    fn line(&mut self) -> Result<String, AskError> {
        let mut line = String::new();
        match self.lines.read_line(&mut line)? {
            0 => Err(AskError::Broken(std::io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(line),
        }
    }
}
