//! Events in pictures: a flash, by the mean luma; a clap, by how much moves from one picture to the
//! next, for hands stop where they meet.

/// Points that change by less do not move: noise, and what encoders make of it.
const STILL: u8 = 8;
/// A flash makes the picture lighter by more than this, in steps of luma,
const FLASH: f32 = 2.0;
/// and by so many times what is usual from one picture to the next.
const UNUSUAL: f32 = 8.0;
/// A picture is lit in part where it has so much of the light.
const PARTLY: std::ops::RangeInclusive<f64> = 0.12..=0.88;
/// A clap moves so much of the picture, in steps of luma on average,
const CLAP: f32 = 0.12;
/// and so many times as much as moves in most pictures.
const LIVELY: f32 = 4.0;
/// After the clap less than this share of the motion before it is left.
const STOPS: f32 = 0.5;
/// What moves at more than this share of a speed moves at that speed.
const FULL: f32 = 0.8;
/// Claps are at least so strong, of what most of them are.
const STRONG: f32 = 0.55;
/// Pictures further apart than this many usual distances tell nothing of what was between them.
const GAP: f64 = 2.5;
/// And those that are nearer have been moved: their stamps tell nothing either.
const NEXT: f64 = 0.15;
/// The next event comes no sooner than this, in seconds.
const APART: f64 = 0.15;

/// By what an event is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The picture gets lighter at once.
    Flash,
    /// What moves stops at once.
    Clap,
}

/// An event, somewhere between two times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Not before.
    pub from: f64,
    /// Not after.
    pub to: f64,
}

/// One picture, as far as it matters.
#[derive(Debug, Clone, Copy)]
struct Look {
    time: f64,
    mean: f32,
    /// Steps of luma by which points moved since the picture before, on average over all.
    motion: f32,
}

/// Sees pictures, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    looks: Vec<Look>,
    last: Vec<u8>,
}

impl Sight {
    /// A picture that was captured at `time`: luma of a grid of points, of one size for all.
    pub fn see(&mut self, time: f64, luma: &[u8]) {
        if luma.is_empty() || self.looks.last().is_some_and(|last| time <= last.time) {
            return;
        }
        let sum: u64 = luma.iter().map(|luma| u64::from(*luma)).sum();
        let steps = luma
            .iter()
            .zip(&self.last)
            .map(|(new, old)| new.abs_diff(*old));
        let moved: u64 = steps.filter(|step| *step > STILL).map(u64::from).sum();
        let count = luma.len() as f32;
        self.looks.push(Look {
            time,
            mean: sum as f32 / count,
            motion: if self.last.len() == luma.len() {
                moved as f32 / count
            } else {
                0.0
            },
        });
        self.last.clear();
        self.last.extend_from_slice(luma);
    }

    /// How many pictures were seen.
    pub fn count(&self) -> usize {
        self.looks.len()
    }

    /// The usual time from one picture to the next, in seconds.
    pub fn distance(&self) -> Option<f64> {
        let mut all: Vec<f64> = (self.looks.windows(2))
            .map(|w| w[1].time - w[0].time)
            .collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    /// All events that are seen in this way.
    pub fn events(&self, by: By) -> Vec<Event> {
        let Some(distance) = self.distance() else {
            return Vec::new();
        };
        let found = match by {
            By::Flash => self.flashes(distance),
            By::Clap => self.claps(distance),
        };
        let mut apart: Vec<Event> = Vec::new();
        for event in found {
            if apart.last().is_none_or(|last| event.from - last.to > APART) {
                apart.push(event);
            }
        }
        apart
    }

    fn flashes(&self, distance: f64) -> Vec<Event> {
        let steps: Vec<f32> = self
            .looks
            .windows(2)
            .map(|w| w[1].mean - w[0].mean)
            .collect();
        let usual = median(steps.iter().map(|step| step.abs()));
        let least = FLASH.max(UNUSUAL * usual);
        let looks = &self.looks;
        let mut found = Vec::new();
        let mut at = 1;
        while at < looks.len() {
            // A camera that exposes for long shows half a flash first.
            let next = looks.get(at + 1).copied().unwrap_or(looks[at]);
            let before = looks[at - 1];
            let full = looks[at].mean.max(next.mean) - before.mean;
            let close = next.time - before.time < GAP * distance + distance;
            if full < least || !close || looks[at].mean - before.mean < least.min(full / 4.0) {
                at += 1;
                continue;
            }
            // The middle of the exposure is lit in pictures that are more than half as light.
            let late = looks[at].mean - before.mean < full / 2.0;
            let first = if late { at + 1 } else { at };
            let (mut from, mut to) = (looks[first - 1].time, looks[first].time);
            let share = f64::from((looks[at].mean - before.mean) / full);
            if PARTLY.contains(&share) {
                // It came within this exposure, which is no longer than the distance of pictures.
                let middle = looks[at].time;
                let off = distance * (0.5 - share);
                from = middle + (off - 0.1 * distance).min(0.0);
                to = middle + (off + 0.1 * distance).max(0.0);
            }
            // A flash that is gone in the next picture is shorter than an exposure, and may have been
            // at any time in it, also after its middle.
            let after = looks.get(first + 1);
            let short = after.is_some_and(|after| after.mean - before.mean < full / 4.0);
            let to = if short { to + distance / 2.0 } else { to };
            if (NEXT * distance..GAP * distance).contains(&(to - from)) {
                found.push(Event { from, to });
            }
            at = first + 1;
        }
        found
    }

    fn claps(&self, distance: f64) -> Vec<Event> {
        let looks = &self.looks;
        let usual = median(looks.iter().map(|look| look.motion));
        let least = CLAP.max((LIVELY - 1.0) * usual);
        let mut found = Vec::new();
        for at in 1..looks.len().saturating_sub(2) {
            // The hands come together in pictures up to `at`; in the next one, or the one after it,
            // there is the last of their way. Then they rest, or part slowly.
            let coming = looks[at].motion - usual;
            let [meets, rests] = [1, 2].map(|n| ((looks[at + n].motion - usual) / coming).max(0.0));
            let full = meets > FULL;
            let faster = looks[at - 1].motion - usual > coming / FULL;
            if coming < least || meets > 1.0 / FULL || rests > STOPS || faster {
                continue;
            }
            let (from, to) = (looks[at].time, looks[at + 2].time);
            if to - from > GAP * distance {
                continue;
            }
            // As far as they came in one picture, they come in the next.
            let way = if full { 1.0 + rests } else { meets };
            let middle = from + f64::from(way) * distance;
            // That is rough: hands slow down, and their outline changes.
            let half = distance * 0.4;
            let event = Event {
                from: middle - half,
                to: middle + half,
            };
            found.push((coming, event));
        }
        // Hands that part stop as well, but they are slower.
        let mut strengths: Vec<f32> = found.iter().map(|(strength, _)| *strength).collect();
        strengths.sort_unstable_by(f32::total_cmp);
        let strong = strengths
            .get(strengths.len() * 3 / 4)
            .copied()
            .unwrap_or(0.0);
        found.retain(|(strength, _)| *strength > STRONG * strong);
        found.into_iter().map(|(_, event)| event).collect()
    }
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut all: Vec<f32> = values.collect();
    all.sort_unstable_by(f32::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}
