//! Since when the show is on air. Pure; the engine thread asks after everything that happens, so
//! that every panel counts from the same moment.

use super::output::OutputState;

/// On air is what reaches an audience: from the moment when the first wanted output publishes,
/// through every reconnection, until no output is wanted any more. A venue without outputs is on
/// air while its programme runs. Times are milliseconds since 1970.
pub fn since<'a>(
    before: Option<u64>,
    outputs: impl IntoIterator<Item = &'a OutputState>,
    programme_runs: bool,
    now: u64,
) -> Option<u64> {
    let (mut any, mut wanted, mut publishing) = (false, false, false);
    for state in outputs {
        any = true;
        wanted |= *state != OutputState::Stopped;
        publishing |= matches!(state, OutputState::Publishing { .. });
    }
    if !any {
        return programme_runs.then_some(before.unwrap_or(now));
    }
    match before {
        Some(before) => wanted.then_some(before),
        None => publishing.then_some(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_venue_without_outputs_is_on_air_while_its_programme_runs() {
        assert_eq!(since(None, [], false, 5), None);
        assert_eq!(since(None, [], true, 5), Some(5));
        assert_eq!(since(Some(5), [], true, 9), Some(5));
    }

    #[test]
    fn it_begins_with_the_first_output_that_publishes_and_lasts_until_none_is_wanted() {
        let at = Instant::now();
        let stopped = OutputState::Stopped;
        let connecting = OutputState::Connecting { since: at };
        let publishing = OutputState::Publishing { since: at };
        let waiting = OutputState::Waiting { until: at };
        let steps = [
            ([&stopped, &stopped], None),
            ([&stopped, &connecting], None),
            ([&waiting, &connecting], None),
            ([&waiting, &publishing], Some(3)),
            ([&publishing, &publishing], Some(3)),
            ([&publishing, &stopped], Some(3)),
            ([&waiting, &stopped], Some(3)),
            ([&connecting, &stopped], Some(3)),
            ([&publishing, &stopped], Some(3)),
            ([&stopped, &stopped], None),
            ([&connecting, &stopped], None),
            ([&publishing, &stopped], Some(11)),
            ([&stopped, &waiting], Some(11)),
        ];
        let mut since_when = None;
        for (now, (states, expected)) in (0..).zip(steps) {
            since_when = since(since_when, states, true, now);
            assert_eq!(since_when, expected, "step {now}");
        }
    }
}
