//! `regie ctl`: the control API from a shell. Texts are for operators; `--json` is for scripts.

mod calibrate;
mod clock;
mod join;
mod text;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use clock::TimeOfDay;

use crate::cli::{Action, CtlArgs, Switch, TransitionArg, Verb};
use crate::control::client::{AskError, Client};
use crate::control::find_socket;
use crate::model::join::GUEST;
use crate::model::message::to_line;
use crate::model::{Command, Reply, Request, Transition};

/// The engine refused.
const REFUSED: u8 = 1;
/// No engine answers, or it broke off.
const NO_ENGINE: u8 = 3;

/// Runs the command; the result goes to `out`, troubles to `err`.
pub fn run(args: CtlArgs, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let path = args.socket.clone().unwrap_or_else(find_socket);
    let result = Client::connect(&path).and_then(|client| match &args.verb {
        Verb::Calibrate { apply, .. } => calibrate::run(client, &path, &args, *apply, out),
        _ => converse(client, &args, out),
    });
    match result {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(refusal)) => {
            // Nothing is left to be told where stderr is closed.
            let _ = writeln!(err, "regie: {refusal}");
            ExitCode::from(REFUSED)
        }
        // Whoever read our output has gone: `regie ctl watch | head`.
        Err(AskError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(err, "regie: {error}");
            ExitCode::from(NO_ENGINE)
        }
    }
}

/// One request and its answer; `watch` goes on with events. A refusal is the result.
fn converse(
    mut client: Client,
    args: &CtlArgs,
    out: &mut impl Write,
) -> Result<Option<String>, AskError> {
    let request = match request_of(&args.verb) {
        Ok(request) => request,
        Err(refused) => return Ok(Some(refused)),
    };
    match client.ask(&request)? {
        Reply::Refused(refused) => {
            if args.json {
                writeln!(out, "{}", to_line(&Reply::Refused(refused.clone())))
                    .map_err(AskError::Output)?;
            }
            return Ok(Some(refused.message));
        }
        Reply::Done if args.json => {
            writeln!(out, "{}", to_line(&Reply::Done)).map_err(AskError::Output)?
        }
        // Memory is lent to readers; nobody asks for it here.
        Reply::Done | Reply::Monitor => {}
        Reply::Join { invitation } if args.json => {
            writeln!(out, "{}", to_line(&invitation)).map_err(AskError::Output)?
        }
        Reply::Join { invitation } => return join::print(&invitation, &args.verb, out),
        Reply::Devices { devices } if args.json => {
            writeln!(out, "{}", to_line(&devices)).map_err(AskError::Output)?
        }
        Reply::Devices { devices } => write!(out, "{}", crate::devices::text::inventory(&devices))
            .map_err(AskError::Output)?,
        Reply::Snapshot { snapshot } if args.json => {
            writeln!(out, "{}", to_line(&snapshot)).map_err(AskError::Output)?
        }
        Reply::Snapshot { snapshot } => {
            write!(out, "{}", text::snapshot(&snapshot)).map_err(AskError::Output)?
        }
    }
    if request == Request::Subscribe {
        loop {
            out.flush().map_err(AskError::Output)?;
            let event = client.event(None)?;
            if args.json {
                writeln!(out, "{}", to_line(&event)).map_err(AskError::Output)?;
            } else if let Some(line) = text::event(&event) {
                writeln!(out, "{line}").map_err(AskError::Output)?;
            }
        }
    }
    Ok(None)
}

/// When the slate shall go, in milliseconds since 1970. The engine is on this machine: it has the
/// same clock.
fn slate_until(until: Option<TimeOfDay>, span: Option<Duration>) -> Result<Option<u64>, String> {
    if let Some(time) = until {
        let next = glib::DateTime::now_local().ok();
        let next = next.and_then(|now| time.next_after(&now));
        let unknown = || "this machine does not know its local time; accepted: --for".to_owned();
        return next.map(Some).ok_or_else(unknown);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    Ok(span.map(|span| (now + span).as_millis() as u64))
}

/// What is asked, or why it cannot be.
fn request_of(verb: &Verb) -> Result<Request, String> {
    Ok(Request::Change(match verb.clone() {
        Verb::Status => return Ok(Request::Status),
        Verb::Source { source, .. } => return Ok(Request::Release(source)),
        Verb::Join { source, .. } => {
            let guest = || GUEST.parse().map_err(|error| format!("{error}"));
            return source.map_or_else(guest, Ok).map(Request::Join);
        }
        Verb::Watch => return Ok(Request::Subscribe),
        Verb::Devices => return Ok(Request::Devices),
        Verb::Calibrate {
            source,
            sound,
            seconds,
            ..
        } => {
            return Ok(Request::Calibrate {
                source,
                sound,
                seconds,
            });
        }
        Verb::Take {
            layout,
            transition,
            duration,
        } => Command::Take {
            layout,
            transition: match transition {
                TransitionArg::Cut => Transition::Cut,
                TransitionArg::Mix => Transition::Mix,
                TransitionArg::Morph => Transition::Morph,
            },
            duration_ms: duration,
        },
        Verb::Preview { layout } => Command::Preview { layout },
        Verb::Role { assignment } => Command::Role {
            role: assignment.role,
            source: assignment.source,
        },
        Verb::Gain { source, gain } => Command::Gain { source, gain },
        Verb::Mute { source, switch } => Command::Mute {
            source,
            mute: switch == Switch::On,
        },
        Verb::Delay { source, delay } => Command::Delay {
            source,
            delay_ms: delay,
        },
        Verb::Slate {
            switch,
            until,
            span,
        } => Command::Slate {
            on: switch == Switch::On,
            until: slate_until(until, span)?,
        },
        Verb::Output { output, action } => Command::Output {
            output,
            run: action == Action::Start,
        },
    }))
}
