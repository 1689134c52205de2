//! Every lasting trouble, once, with the texts that people read. Owned by the engine thread.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::{Event, Fault, Scope, Severity};
use crate::secret::redact;

/// What an operator reads about a trouble.
#[derive(Debug, Clone)]
pub struct Text {
    /// What happened.
    pub happened: String,
    /// What regie does about it.
    pub doing: String,
    /// What can be done.
    pub advice: String,
}

/// Troubles under way.
#[derive(Debug, Default)]
pub struct Ledger {
    faults: Vec<Fault>,
}

/// Milliseconds since 1970.
pub fn wall_clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis() as u64
}

impl Ledger {
    /// All of them, oldest first.
    pub fn all(&self) -> &[Fault] {
        &self.faults
    }

    /// The trouble is there, or has come again: it is counted.
    pub fn raise(
        &mut self,
        scope: Scope,
        code: &str,
        severity: Severity,
        text: Text,
        detail: &str,
    ) -> Event {
        let known = self
            .faults
            .iter_mut()
            .find(|fault| fault.is_same(&scope, code));
        let fresh = Fault {
            scope,
            code: code.to_owned(),
            severity,
            happened: redact(&text.happened),
            doing: text.doing,
            advice: text.advice,
            detail: redact(detail),
            count: 1,
            since: wall_clock(),
        };
        let fault = match known {
            Some(fault) => {
                *fault = Fault {
                    count: fault.count.saturating_add(1),
                    since: fault.since,
                    ..fresh
                };
                fault.clone()
            }
            None => {
                tracing::warn!("{} {} {}", fresh.happened, fresh.doing, fresh.advice);
                self.faults.push(fresh.clone());
                fresh
            }
        };
        Event::FaultRaised { fault }
    }

    /// The trouble is over, if it was there.
    pub fn clear(&mut self, scope: &Scope, code: &str) -> Option<Event> {
        let index = self
            .faults
            .iter()
            .position(|fault| fault.is_same(scope, code))?;
        let fault = self.faults.remove(index);
        tracing::info!("over: {}", fault.happened);
        Some(Event::FaultCleared {
            scope: fault.scope,
            code: fault.code,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(happened: &str) -> Text {
        Text {
            happened: happened.to_owned(),
            doing: "Nothing.".to_owned(),
            advice: "Wait.".to_owned(),
        }
    }

    #[test]
    fn a_repeat_is_counted_and_the_latest_text_shown() {
        let mut ledger = Ledger::default();
        let scope = Scope::Output("room".parse().unwrap());
        for n in 1..=3 {
            let raised = ledger.raise(
                scope.clone(),
                "unreachable",
                Severity::Warning,
                text(&format!("Attempt {n}.")),
                "",
            );
            let Event::FaultRaised { fault } = raised else {
                panic!("{raised:?}");
            };
            assert_eq!((fault.count, fault.happened), (n, format!("Attempt {n}.")));
        }
        assert_eq!(ledger.all().len(), 1);
        assert!(ledger.clear(&scope, "other").is_none());
        assert!(ledger.clear(&scope, "unreachable").is_some());
        assert!(ledger.clear(&scope, "unreachable").is_none());
    }
}
