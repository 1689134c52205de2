//! How an engine is started. By hand: as told, or not at all, and at once. As a unit of the system, where
//! nobody looks on: with growing pauses where the last starts came to nothing, and with the last venue file
//! that was good where the one that is there cannot be used.

use std::path::{Path, PathBuf};

use crate::control;
use crate::engine::{self, Places, Surroundings};
use crate::service;
use crate::service::starts::Life;
use crate::venue::{VenueError, good};

/// Why no engine runs, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no venue.
    #[error(transparent)]
    Venue(#[from] VenueError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] engine::StartEngineError),
}

/// Runs an engine for the venue file until it is asked to end. `socket` is where it listens for control,
/// where that is not the venue's; `state` is its state directory.
pub fn engine(file: &Path, socket: Option<PathBuf>, state: &Path) -> Result<(), LaunchError> {
    let life = service::is_unit().then(|| Life::begin(state));
    let place = socket.clone().unwrap_or_else(control::default_socket);
    let ended = run(file, socket, state, life.as_ref());
    match (life, &ended) {
        (Some(life), Ok(())) => life.end(),
        (Some(life), Err(error)) => {
            let reason = error.first();
            // The operator's window has the screen, and nobody reads the journal there.
            control::leave_trouble(&place, &reason);
            life.fail(&reason);
        }
        (None, _) => {}
    }
    ended
}

impl LaunchError {
    /// On one line.
    fn first(&self) -> String {
        match self {
            Self::Venue(error) => error.first(),
            Self::Engine(error) => error.to_string(),
        }
    }
}

fn run(
    file: &Path,
    socket: Option<PathBuf>,
    state: &Path,
    life: Option<&Life>,
) -> Result<(), LaunchError> {
    let (venue, text, spoilt) = match good::load(file) {
        Ok((venue, text)) => (venue, Some(text), None),
        Err(error) => {
            // By hand, somebody looks on who wants to know.
            let recalled = life.and_then(|_| good::recall(state, file));
            let Some(venue) = recalled else {
                return Err(error.into());
            };
            (venue, None, Some(error.first()))
        }
    };
    for warning in &venue.warnings {
        tracing::warn!("{warning}");
    }
    let socket = socket.or_else(|| venue.control_socket.clone());
    let places = Places {
        socket: socket.unwrap_or_else(control::default_socket),
        state: state.to_owned(),
    };
    let surroundings = Surroundings {
        life: life.and_then(Life::marks),
        text,
        spoilt,
    };
    Ok(engine::run(venue, places, surroundings)?)
}
