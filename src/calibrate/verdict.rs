//! The offset at which most of what is seen meets some of what is heard. Each event that is seen votes
//! for every offset at which a sound lies within its interval, and, whatever it is, a little for every
//! other: a false one costs nothing, and a false sound gains nothing, for no two are wrong alike.

use super::sight::Event;
use super::{By, Hearing, Sight};

/// Offsets that are looked at, in seconds, either way.
const FARTHEST: f64 = 0.6;
/// Steps between them.
const STEP: f64 = 0.000_5;
/// Stamps jitter by so much.
const JITTER: f64 = 0.002;
/// How likely it is that an event is none.
const FALSE: f64 = 0.02;
/// Fewer events that agree prove nothing.
const LEAST: usize = 4;
/// And they must be so many of all that were seen, or of all that were heard.
const SHARE: f64 = 0.6;
/// Events that lie so far beside a sound, in seconds, may still be its.
const BESIDE: f64 = 3.0 * JITTER;
/// Another offset with so many times the votes is as likely.
const RIVAL: f64 = 0.8;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Picture minus sound, in seconds.
    pub offset: f64,
    /// How far the truth may be from that, one standard deviation, in seconds.
    pub doubt: f64,
    /// How far the events lie from it, each by itself: standard deviation, in seconds.
    pub spread: f64,
    /// Events that agree.
    pub agree: usize,
    /// Events that were seen.
    pub seen: usize,
    /// Sounds that were heard.
    pub heard: usize,
    /// By what.
    pub by: By,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// This.
    Found(Found),
    /// No pictures came.
    NoPictures,
    /// No sound came.
    NoSound,
    /// Nothing set in as claps and beeps do, or not often enough: so many times.
    NothingHeard(usize),
    /// No flash and nothing that moved as hands do, or not often enough: so many times.
    NothingSeen(usize),
    /// So much was seen, and so much heard, but never at one distance.
    NoAgreement {
        /// Events.
        seen: usize,
        /// Sounds.
        heard: usize,
    },
    /// More than one offset fits: claps that follow each other too evenly.
    TooEven,
}

/// Judges what was seen and heard.
pub fn judge(sight: &Sight, hearing: &Hearing) -> Verdict {
    let Some(distance) = sight.distance() else {
        return Verdict::NoPictures;
    };
    if hearing.seconds() == 0.0 {
        return Verdict::NoSound;
    }
    let heard = hearing.onsets();
    if heard.len() < LEAST {
        return Verdict::NothingHeard(heard.len());
    }
    let [flashes, claps] = [By::Flash, By::Clap].map(|by| (by, sight.events(by)));
    let most = flashes.1.len().max(claps.1.len());
    if most < LEAST {
        return Verdict::NothingSeen(most);
    }
    let mut worse = Verdict::NoAgreement {
        seen: most,
        heard: heard.len(),
    };
    let mut best: Option<Found> = None;
    for (by, events) in [flashes, claps] {
        match weigh(by, &events, &heard, distance) {
            // A flash begins with one picture; when hands have met is less sure.
            Verdict::Found(found)
                if (best.as_ref()).is_none_or(|best| 2 * found.agree > 3 * best.agree) =>
            {
                best = Some(found);
            }
            Verdict::TooEven => worse = Verdict::TooEven,
            _ => {}
        }
    }
    best.map_or(worse, Verdict::Found)
}

fn weigh(by: By, events: &[Event], heard: &[f64], distance: f64) -> Verdict {
    let (seen, sounds) = (events.len(), heard.len());
    let disagree = Verdict::NoAgreement {
        seen,
        heard: sounds,
    };
    if seen < LEAST {
        return disagree;
    }
    let count = (2.0 * FARTHEST / STEP) as usize + 1;
    let offset_at = |index: usize| index as f64 * STEP - FARTHEST;
    let votes: Vec<f64> = (0..count)
        .map(|index| {
            let offset = offset_at(index);
            let vote = |event: &Event| ((likely(event, heard, offset) + FALSE) / FALSE).ln();
            events.iter().map(vote).sum()
        })
        .collect();
    let top = (0..count).max_by(|a, b| votes[*a].total_cmp(&votes[*b]));
    let Some(top) = top else {
        return disagree;
    };
    let near = (distance / STEP) as usize;
    let around = top.saturating_sub(near)..(top + near + 1).min(count);
    let far = |index: &usize| !around.contains(index);
    let rival = (0..count)
        .filter(far)
        .map(|index| votes[index])
        .fold(0.0, f64::max);
    // The mean of all offsets around the top, by how likely each is.
    let weights: Vec<f64> = around
        .clone()
        .map(|i| (votes[i] - votes[top]).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(f64) -> f64| -> f64 {
        let all = around.clone().zip(&weights);
        all.map(|(index, weight)| of(offset_at(index)) * weight)
            .sum::<f64>()
            / sum
    };
    let offset = mean(&|offset| offset);
    let doubt = mean(&|at| (at - offset).powi(2)).sqrt();
    let apart: Vec<f64> = (events.iter())
        .filter_map(|event| {
            let (from, to) = (event.from - offset - BESIDE, event.to - offset + BESIDE);
            let middle = (event.from + event.to) / 2.0 - offset;
            let near = heard.iter().filter(|sound| (from..to).contains(*sound));
            near.map(|sound| middle - sound)
                .min_by(|a, b| a.abs().total_cmp(&b.abs()))
        })
        .collect();
    let agree = apart.len();
    if agree < LEAST || (agree as f64) < SHARE * seen.min(sounds) as f64 {
        return disagree;
    }
    if rival > RIVAL * votes[top] {
        // By chance a few always agree, here and there.
        let most = agree as f64 > 0.8 * seen.min(sounds) as f64;
        return if most { Verdict::TooEven } else { disagree };
    }
    Verdict::Found(Found {
        offset,
        doubt: doubt.max(STEP),
        spread: (apart.iter().map(|apart| apart * apart).sum::<f64>() / agree as f64).sqrt(),
        agree,
        seen,
        heard: sounds,
        by,
    })
}

/// How likely it is, 0 to 1, that with this offset some of the sounds are the event's.
fn likely(event: &Event, heard: &[f64], offset: f64) -> f64 {
    let (from, to) = (event.from - offset, event.to - offset);
    let margin = 4.0 * JITTER;
    let first = heard.partition_point(|sound| *sound < from - margin);
    let near = heard[first..]
        .iter()
        .take_while(|sound| **sound < to + margin);
    near.map(|sound| soft((sound - from) / JITTER) * soft((to - sound) / JITTER))
        .fold(0.0, f64::max)
}

/// From 0 well outside to 1 well inside.
fn soft(deviations: f64) -> f64 {
    1.0 / (1.0 + (-1.7 * deviations).exp())
}
