//! The last faults, also those that are over.

use crate::model::{Event, Fault};
use crate::tongue::Tongue;

use super::card::Past;

/// More are not kept.
const KEPT: usize = 60;

/// Faults by their beginning, the newest first.
#[derive(Debug, Default)]
pub struct History {
    all: Vec<(Fault, bool)>,
}

impl History {
    /// The engine is there: these are under way, all others are over.
    pub fn on_snapshot(&mut self, faults: &[Fault]) {
        for (known, over) in &mut self.all {
            let same = |fault: &Fault| fault.is_same(&known.scope, &known.code);
            *over = *over || !faults.iter().any(same);
        }
        for fault in faults {
            self.raise(fault);
        }
    }

    /// Something happened.
    pub fn on_event(&mut self, event: &Event) {
        match event {
            Event::FaultRaised { fault } => self.raise(fault),
            Event::FaultCleared { scope, code } => {
                for (known, over) in &mut self.all {
                    *over = *over || known.is_same(scope, code);
                }
            }
            _ => {}
        }
    }

    fn raise(&mut self, fault: &Fault) {
        let under_way =
            |(known, over): &&mut (Fault, bool)| !over && known.is_same(&fault.scope, &fault.code);
        match self.all.iter_mut().find(under_way) {
            Some((known, _)) => *known = fault.clone(),
            None => {
                self.all.insert(0, (fault.clone(), false));
                self.all.truncate(KEPT);
            }
        }
    }

    /// As the list shows them.
    pub fn lines(&self, tongue: Tongue) -> Vec<Past> {
        let line = |(fault, over): &(Fault, bool)| {
            let said = &fault.said;
            let mut text = tongue.say(&said.happened);
            if fault.count > 1 {
                text.push_str(&format!("  ×{}", fault.count));
            }
            if !over {
                text = format!(
                    "{text} {} {}",
                    tongue.say(&said.doing),
                    tongue.say(&said.advice)
                );
            }
            Past {
                time: time_of_day(fault.since),
                text,
                severity: fault.severity,
                over: *over,
            }
        };
        self.all.iter().map(line).collect()
    }
}

/// Local time of day of a moment in milliseconds since 1970.
fn time_of_day(milliseconds: u64) -> String {
    let seconds = i64::try_from(milliseconds / 1000).unwrap_or_default();
    let local = glib::DateTime::from_unix_local(seconds);
    let text = local.and_then(|local| local.format("%H:%M:%S"));
    text.map(Into::into).unwrap_or_default()
}
