//! Cards whose clocks run wrong, on a clock that is driven: what is heard of them, and where.

use super::*;
use crate::engine::chance::Chance;
use crate::engine::margin;

const TURN: f64 = std::f64::consts::TAU;
/// When the card's first sample is captured, in seconds of running time.
const BEGAN: f64 = 10.0;

/// Sample frames over which the tone is looked for: two cycles of it, as pitch moves all the time.
const WINDOW: usize = 1920;
/// Sample frames that are mixed at a time.
const MIXED: usize = 960;

/// A card as the sound system has it.
#[derive(Clone, Copy)]
struct Card {
    rate: u32,
    /// How many millionths its clock is fast.
    ppm: f64,
    /// By how many milliseconds what is told of a block is off at most, and how much later than it could
    /// a block comes at most.
    jitter: f64,
    held_up: f64,
}

/// A tone that is a function of true time: where it lies can be heard.
struct Tone {
    hertz: f64,
    /// Turns at the next sample, and for each sample.
    phase: (f64, f64),
    step: (f64, f64),
}

impl Tone {
    fn new(hertz: f64, rate: f64) -> Self {
        let (sine, cosine) = (hertz * BEGAN * TURN).sin_cos();
        let step = (hertz / rate * TURN).sin_cos();
        Self {
            hertz,
            phase: (cosine, sine),
            step: (step.1, step.0),
        }
    }

    fn next(&mut self) -> f32 {
        let (x, y) = self.phase;
        let (c, s) = self.step;
        self.phase = (x * c - y * s, x * s + y * c);
        // Rounding must not make it louder or softer in an hour.
        let length = (3.0 - x * x - y * y) / 2.0;
        self.phase = (self.phase.0 * length, self.phase.1 * length);
        (0.5 * y) as f32
    }
}

/// What was heard in a second: how late it was, in milliseconds, and all that was not the tone, in dB.
#[derive(Debug, Clone, Copy)]
struct Heard {
    late: f64,
    rest: f64,
    /// The largest third difference: tiny in a tone, as large as any step in it otherwise.
    rough: f64,
}

/// What the mix hears of the card in so many seconds.
fn hear(card: Card, hertz: f64, seconds: usize, mut lose: impl FnMut(usize) -> bool) -> Vec<Heard> {
    let samples = Arc::<Samples>::default();
    let mut intake = Intake::new(card.rate, &samples);
    let mut chance = Chance::default();
    let true_rate = f64::from(card.rate) * (1.0 + card.ppm / 1e6);
    let mut tone = Tone::new(hertz, true_rate);
    let frames = card.rate as usize / 40;
    let length = frames as f64 / true_rate;
    let mut block = vec![[0.0; CHANNELS]; frames];
    // The mix asks for what it needs, as late as it can.
    let mut next = (BEGAN as u64 + 5) * RATE;
    let mut second = vec![[0.0; CHANNELS]; RATE as usize];
    let mut filled = 0;
    let mut heard = Vec::new();
    let mut came = 0.0f64;
    for n in 0.. {
        for frame in &mut block {
            *frame = [tone.next(); CHANNELS];
        }
        let captured = BEGAN + n as f64 * length;
        let told = captured + (chance.next() * 2.0 - 1.0) * card.jitter / 1e3;
        // Never before the one that came before it.
        came = came.max(captured + length + 1e-3 + chance.next() * card.held_up / 1e3);
        let lost = lose(n);
        if !lost {
            let block_of = Block {
                frames,
                captured: (told * 1e9) as i64,
                latency: ((came - told).max(length) * 1e9) as u64,
                interrupted: n > 0 && lose(n - 1),
            };
            intake.take(block_of, &block, (came * 1e9) as u64);
        }
        let due = ((came - margin::LEAST as f64 / 1e9) * RATE as f64) as u64;
        while next + filled as u64 + MIXED as u64 <= due {
            samples.read(next + filled as u64, &mut second[filled..filled + MIXED]);
            filled += MIXED;
            if filled == second.len() {
                heard.push(listen(&second, next, &tone));
                next += RATE;
                filled = 0;
            }
        }
        if heard.len() >= seconds {
            break;
        }
    }
    heard
}

fn listen(second: &[[f32; CHANNELS]], from: u64, tone: &Tone) -> Heard {
    let mut expected = Tone::new(tone.hertz, RATE as f64);
    let (s, c) = (from as f64 / RATE as f64 * tone.hertz * TURN).sin_cos();
    expected.phase = (c, s);
    let (mut late, mut worst) = (0.0, f64::MIN);
    let windows = second.chunks(WINDOW);
    let count = windows.len() as f64;
    for window in windows {
        let (mut sine, mut cosine, mut power) = (0.0f64, 0.0f64, 0.0f64);
        for frame in window {
            let (c, s) = expected.phase;
            let sample = f64::from(frame[0]);
            sine += s * sample;
            cosine += c * sample;
            power += sample * sample;
            expected.next();
        }
        let scale = 2.0 / window.len() as f64;
        let (sine, cosine) = (sine * scale, cosine * scale);
        let all = power / window.len() as f64;
        let rest = (all - (sine * sine + cosine * cosine) / 2.0).max(1e-12) / all.max(1e-12);
        late += -cosine.atan2(sine) / TURN / tone.hertz * 1e3 / count;
        worst = worst.max(10.0 * rest.log10());
    }
    let rough = (second.windows(4))
        .map(|w| (w[3][0] - 3.0 * w[2][0] + 3.0 * w[1][0] - w[0][0]).abs())
        .fold(0.0f32, f32::max);
    Heard {
        late,
        rest: worst,
        rough: f64::from(rough),
    }
}

/// As ALSA and a sound server have it at worst: what is told is off by 10 ms to either side, and a block
/// comes up to 20 ms later than it could.
const JITTERY: Card = Card {
    rate: 48_000,
    ppm: 0.0,
    jitter: 10.0,
    held_up: 20.0,
};

/// An hour with a card: nothing of it moves by more than 10 ms, clicks, is lost or comes twice.
#[track_caller]
fn assert_stays(card: Card, seconds: usize) {
    // 50 Hz: what is 10 ms early cannot be taken for what is 10 ms late.
    let heard = hear(card, 50.0, seconds, |_| false);
    let first = heard[0].late;
    for (n, second) in heard.iter().enumerate() {
        assert!((second.late - first).abs() < 10.0, "second {n}: {second:?}");
        assert!(second.late.abs() < 9.0, "second {n}: {second:?}");
        // What lies elsewhere, is lost or comes twice is a step of the tone, or a turn of its phase.
        assert!(second.rough < 1e-5, "second {n}: {second:?}");
        assert!(second.rest < -45.0, "second {n}: {second:?}");
    }
    let late = heard.iter().skip(60).map(|second| second.late);
    let (least, most) = late.fold((f64::MAX, f64::MIN), |(a, b), l| (a.min(l), b.max(l)));
    eprintln!(
        "{} ppm, {} s: from {first:.2} ms; after a minute {least:.2} to {most:.2} ms",
        card.ppm, seconds
    );
    assert!(most - least < 3.0, "{least} to {most} ms");
}

#[test]
fn a_card_that_is_200_ppm_fast_stays_in_its_place_for_an_hour() {
    let fast = Card {
        ppm: 200.0,
        ..JITTERY
    };
    assert_stays(fast, 3600);
}

#[test]
fn a_card_that_is_200_ppm_slow_stays_in_its_place_for_an_hour() {
    let slow = Card {
        ppm: -200.0,
        ..JITTERY
    };
    assert_stays(slow, 3600);
}

#[test]
fn cards_of_other_rates_stay_in_their_place() {
    for rate in [44_100, 88_200, 96_000] {
        for ppm in [-200.0, 200.0] {
            let card = Card {
                rate,
                ppm,
                ..JITTERY
            };
            assert_stays(card, 120);
        }
    }
}

#[test]
fn what_a_card_loses_is_a_gap_that_is_faded_over_and_moves_nothing_after_it() {
    let card = Card {
        jitter: 1.0,
        ppm: 100.0,
        ..JITTERY
    };
    // Blocks are 25 ms long: one, one again, ten in a row.
    let long = |n: usize| (2200..2210).contains(&n);
    let lost = |n: usize| [1400, 1800].contains(&n) || long(n);
    let heard = hear(card, 50.0, 70, lost);
    let whole = hear(card, 50.0, 70, |_| false);
    for (n, (second, other)) in heard.iter().zip(&whole).enumerate() {
        // What is asked for before it is there, is faded by who asks.
        if lost_near(n, long) {
            continue;
        }
        // A sound that is cut off is a step of up to 0.5.
        assert!(second.rough < 0.02, "second {n}: {second:?}");
        if lost_near(n, lost) {
            continue;
        }
        assert!(second.rough < 1e-5, "second {n}: {second:?}");
        let moved = (second.late - other.late).abs();
        assert!(moved < 2.0, "second {n}: {moved} ms");
        assert!(second.rest < -45.0, "second {n}: {second:?}");
    }
    for n in [1400, 1800, 2200] {
        let heard = &heard[n / 40 - 6..n / 40 - 3];
        assert!(
            heard.iter().any(|second| second.rest > -30.0),
            "{n} is not heard: {heard:?}"
        );
    }
}

/// Whether something is lost within this second as the mix reads it, or at its edge.
fn lost_near(second: usize, lost: impl Fn(usize) -> bool) -> bool {
    // It begins to read five seconds after the card's first sample.
    let first = (second + 5) * 40;
    (first.saturating_sub(4)..first + 44).any(lost)
}
