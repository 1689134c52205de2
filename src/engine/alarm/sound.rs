//! Whether a sound is silent or too loud, by what its meter measures. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::Alarm;
use crate::monitor::Levels;

use super::latch::{Latch, Patience};

/// A sound that was not heard for so long is silent for now. Less is a pause within a sentence.
const PAUSE_MS: u32 = 300;
/// Sound for less than this is a click, a step, a door; silence for less a pause for breath.
const BLINK: Duration = Duration::from_millis(700);
/// Sound that has been back for so long is back.
const BACK: Duration = Duration::from_secs(1);
/// Moments at which it clipped count for so long.
const CLIPPED: Duration = Duration::from_secs(10);

/// After what time and after what number of moments it is said. `None`: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Of silence.
    pub silence: Option<Duration>,
    /// Tenths of a second with a sample at full scale, within ten seconds.
    pub clipping: Option<u32>,
}

/// The watch over one sound.
#[derive(Debug, Default)]
pub struct SoundWatch {
    silent: Latch,
    clipping: Latch,
    clips: Option<u64>,
    clipped: VecDeque<Instant>,
}

impl SoundWatch {
    /// What is wrong with it as of now, where it should be heard.
    pub fn look(
        &mut self,
        now: Instant,
        levels: Option<&Levels>,
        limits: Limits,
    ) -> [(Alarm, bool); 2] {
        let silent = limits.silence.map_or((None, Duration::ZERO), |after| {
            (levels.map(|levels| levels.silent_ms >= PAUSE_MS), after)
        });
        let (silent, after) = silent;
        let patience = Patience {
            // The pause has gone by already when it is noticed.
            after: after.saturating_sub(Duration::from_millis(PAUSE_MS.into())),
            over: BACK,
            blink: BLINK,
        };
        let silent = self.silent.look(now, silent, patience);
        let clipping = self.note_clips(now, levels, limits.clipping);
        let patience = Patience {
            after: Duration::ZERO,
            over: BACK,
            blink: Duration::ZERO,
        };
        let clipping = self.clipping.look(now, clipping, patience);
        [(Alarm::Silent, silent), (Alarm::Clipping, clipping)]
    }

    fn note_clips(
        &mut self,
        now: Instant,
        levels: Option<&Levels>,
        limit: Option<u32>,
    ) -> Option<bool> {
        let (Some(levels), Some(limit)) = (levels, limit) else {
            self.clips = None;
            self.clipped.clear();
            return None;
        };
        let before = self.clips.replace(levels.clips);
        if before.is_some_and(|before| levels.clips > before) {
            self.clipped.push_back(now);
        }
        let old = |at: &Instant| now.duration_since(*at) > CLIPPED;
        while self.clipped.front().is_some_and(old) {
            self.clipped.pop_front();
        }
        Some(self.clipped.len() >= limit.max(1) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        silence: Some(Duration::from_secs(10)),
        clipping: Some(3),
    };

    /// Tenths of a second at which alarms were raised and over; `levels` tells silence in ms and clips
    /// so far at each.
    fn told(
        tenths: u32,
        limits: Limits,
        levels: impl Fn(u32) -> Option<(u32, u64)>,
    ) -> Vec<(u32, Alarm, bool)> {
        let (mut watch, start) = (SoundWatch::default(), Instant::now());
        let mut before = [false; 2];
        let mut told = Vec::new();
        for tenth in 0..tenths {
            let now = start + Duration::from_millis(100) * tenth;
            let levels = levels(tenth).map(|(silent_ms, clips)| Levels {
                silent_ms,
                clips,
                ..Levels::NOTHING
            });
            let found = watch.look(now, levels.as_ref(), limits);
            for ((alarm, raised), before) in found.into_iter().zip(&mut before) {
                if raised != std::mem::replace(before, raised) {
                    told.push((tenth, alarm, raised));
                }
            }
        }
        told
    }

    /// Silence since the last tenth at which there was sound.
    fn silence(tenth: u32, sound: impl Fn(u32) -> bool) -> u32 {
        (0..=tenth).rev().take_while(|t| !sound(*t)).count() as u32 * 100
    }

    #[test]
    fn a_microphone_that_falls_silent_is_noticed_and_that_it_is_back() {
        let speech = |t: u32| !(50..200).contains(&t) && t % 20 < 17;
        let said = told(300, LIMITS, |t| Some((silence(t, speech), 0)));
        assert_eq!(said.len(), 2, "{said:?}");
        let [(at, Alarm::Silent, true), (back, Alarm::Silent, false)] = said[..] else {
            panic!("{said:?}");
        };
        assert!((144..=150).contains(&at), "{at}");
        assert!((209..=213).contains(&back), "{back}");
    }

    #[test]
    fn clicks_do_not_hide_silence_and_pauses_are_none() {
        let clicks = told(300, LIMITS, |t| Some((silence(t, |t| t % 15 == 0), 0)));
        assert_eq!(clicks.len(), 1, "{clicks:?}");
        let slow = told(900, LIMITS, |t| Some((silence(t, |t| t % 80 < 10), 0)));
        assert_eq!(slow, [], "who thinks for seven seconds is not silent");
    }

    #[test]
    fn one_clap_into_the_microphone_is_not_too_loud_but_shouting_is() {
        let one = told(300, LIMITS, |t| Some((0, if t >= 50 { 400 } else { 0 })));
        assert_eq!(one, []);
        let often = told(400, LIMITS, |t| Some((0, u64::from(t.min(200) / 30))));
        let expected = [(90, Alarm::Clipping, true), (250, Alarm::Clipping, false)];
        assert_eq!(often[0], expected[0]);
        assert_eq!(often.len(), 2, "{often:?}");
        assert!((225..=240).contains(&often[1].0), "{often:?}");
    }

    #[test]
    fn what_need_not_be_heard_is_not_silent() {
        assert_eq!(told(300, LIMITS, |_| None), []);
        assert_eq!(told(300, Limits::default(), |_| Some((60_000, 9))), []);
        // Clips of before it was to be heard are none of now.
        let late = told(300, LIMITS, |t| (t > 100).then_some((0, 1000)));
        assert_eq!(late, []);
    }
}
