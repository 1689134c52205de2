//! `regie ctl calibrate`: begins a calibration, waits for its end, says what was found, and sets the
//! delay where it is told to.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::cli::{CtlArgs, Verb};
use crate::control::client::{AskError, Client};
use crate::model::message::to_line;
use crate::model::{Calibration, Command, Event, Progress, Reply, Request};

/// Events come at least every second meanwhile: an engine that is silent for so long has gone.
const SILENT: Duration = Duration::from_secs(10);

/// Runs it on two connections: one for events, one for requests. A refusal is the result.
pub fn run(
    mut client: Client,
    path: &Path,
    args: &CtlArgs,
    apply: bool,
    out: &mut impl Write,
) -> Result<Option<String>, AskError> {
    let request = match super::request_of(&args.verb) {
        Ok(request) => request,
        Err(refused) => return Ok(Some(refused)),
    };
    let mut events = Client::connect(path)?;
    if let Reply::Refused(refused) = events.ask(&Request::Subscribe)? {
        return Ok(Some(refused.message));
    }
    if let Some(refused) = done(client.ask(&request)?) {
        return Ok(Some(refused));
    }
    if let (false, Verb::Calibrate { seconds, .. }) = (args.json, &args.verb) {
        let what = format!(
            "Clap five times in front of the camera, at irregular times: {seconds} s from now."
        );
        writeln!(out, "{what}").map_err(AskError::Output)?;
        out.flush().map_err(AskError::Output)?;
    }
    let calibration = loop {
        match events.event(Some(SILENT))? {
            Event::Calibration { calibration } if !is_under_way(&calibration) => break calibration,
            Event::Stopped => return Ok(Some("the engine has ended".to_owned())),
            _ => {}
        }
    };
    if args.json {
        writeln!(out, "{}", to_line(&calibration)).map_err(AskError::Output)?;
    }
    match &calibration.progress {
        Progress::Listening { .. } => Ok(None),
        Progress::Failed { reason, .. } => Ok(Some(reason.clone())),
        Progress::Found { delays, .. } => {
            if let Some(line) = line(&calibration).filter(|_| !args.json) {
                writeln!(out, "{line}").map_err(AskError::Output)?;
            }
            for proposal in delays.iter().filter(|_| apply) {
                let command = Command::Delay {
                    source: proposal.source.clone(),
                    delay_ms: proposal.delay_ms,
                };
                if let Some(refused) = done(client.ask(&Request::Change(command))?) {
                    return Ok(Some(refused));
                }
            }
            if apply && !delays.is_empty() && !args.json {
                writeln!(out, "It is set.").map_err(AskError::Output)?;
            }
            Ok(None)
        }
    }
}

fn done(reply: Reply) -> Option<String> {
    match reply {
        Reply::Refused(refused) => Some(refused.message),
        _ => None,
    }
}

fn is_under_way(calibration: &Calibration) -> bool {
    matches!(calibration.progress, Progress::Listening { .. })
}

/// How it stands, in words; `None` while it is under way.
pub fn line(calibration: &Calibration) -> Option<String> {
    let Calibration {
        source,
        sound,
        progress,
    } = calibration;
    match progress {
        Progress::Listening { .. } => None,
        Progress::Failed { reason, .. } => Some(format!("calibration of {source}: {reason}")),
        Progress::Found {
            offset_ms,
            doubt_ms,
            spread_ms,
            agree,
            seen,
            heard,
            by,
            delays,
            remark,
            ..
        } => {
            let side = if *offset_ms < 0.0 { "before" } else { "after" };
            let mut text = format!(
                "The picture of {source} comes {:.1} ms {side} the sound of {sound}, give or take \
                 {doubt_ms:.1} ms: {agree} of {seen} ({by}) agree, {heard} sounds, spread \
                 {spread_ms:.1} ms.",
                offset_ms.abs()
            );
            for proposal in delays {
                text.push_str(&format!(
                    " Delay of {}: {} ms (now {} ms).",
                    proposal.source, proposal.delay_ms, proposal.from_ms
                ));
            }
            if !remark.is_empty() {
                text.push(' ');
                text.push_str(remark);
            }
            Some(text)
        }
    }
}
