use super::*;
use crate::engine::chance::Chance;
use crate::engine::drift::{Follower, Way};

const MS: f64 = 1e6;

/// A sender: pictures and sound of one clock.
struct Sender {
    /// By how much its time is shorter than ours: positive where its clock is slow.
    ppm: f64,
    pictures_a_second: f64,
    /// How much later than its timestamp sound is sent, in ms.
    sound_lag: f64,
    sounds: bool,
}

const LAPTOP: Sender = Sender {
    ppm: 0.0,
    pictures_a_second: 30.0,
    sound_lag: 30.0,
    sounds: true,
};

/// What came of it. Times in ms, but for those called seconds.
#[derive(Debug, Default)]
struct Report {
    /// Delay of pictures: their place less the time they were sent; at the end of each second.
    delays: Vec<f64>,
    /// Furthest that sound lay from where the timeline has it, once it had settled.
    apart: f64,
    /// The seconds in which sound needed a seam.
    seams: Vec<f64>,
    /// The seconds in which sound came too late to be mixed.
    lost: Vec<f64>,
    /// Least and most that sound was stretched, in ppm.
    stretch: (f64, f64),
}

impl Report {
    fn after(values: &[f64], second: f64) -> usize {
        values.iter().filter(|at| **at > second).count()
    }
}

/// Sends for so many seconds through a network in which what is sent at a second arrives so many ms
/// later, in order: by one connection.
fn send(seconds: f64, sender: &Sender, mut network: impl FnMut(f64) -> f64) -> Report {
    let mut line = Timeline::default();
    let mut follower = Follower::default();
    let mut report = Report::default();
    let hours = 7.0 * 3_600_000.0;
    let rate = 1.0 + sender.ppm / 1e6;
    let (mut pictures, mut sounds) = (0u64, 0u64);
    // When the connection has delivered what was sent before, and where sound would come to lie.
    let (mut busy, mut lies) = (0.0f64, None);
    loop {
        let picture = pictures as f64 * 1000.0 / sender.pictures_a_second;
        let sound = sounds as f64 * 1024.0 / 48.0;
        let is_sound = sender.sounds && sound + sender.sound_lag < picture;
        let (stamp, lag) = if is_sound {
            (sound, sender.sound_lag)
        } else {
            (picture, 0.0)
        };
        // By our clock.
        let sent = 10_000.0 + (stamp + lag) * rate;
        let second = (sent - 10_000.0) / 1000.0;
        if second > seconds {
            return report;
        }
        let arrived = (sent + network(second)).max(busy);
        busy = arrived;
        let dts = (hours + stamp) * MS;
        let media = if is_sound { Media::Audio } else { Media::Video };
        let offset = line.place(media, dts as u64, dts as u64, (arrived * MS) as u64) as f64 / MS;
        let place = hours + stamp + offset;
        if is_sound {
            sounds += 1;
            // The mixer waits a little longer than it has to be counted on.
            if arrived - place > SOUND_SLACK as f64 / MS + 5.0 {
                report.lost.push(second);
            }
            let length = 1024.0 / 48_000.0;
            let error = (place - lies.unwrap_or(place)) / 1000.0;
            match follower.follow(error, length, false) {
                Way::Seam => {
                    lies = Some(place);
                    report.seams.push(second);
                }
                Way::Stretched(share) => {
                    lies.get_or_insert(place);
                    report.stretch.0 = report.stretch.0.min(share * 1e6);
                    report.stretch.1 = report.stretch.1.max(share * 1e6);
                    if second > 5.0 {
                        report.apart = report.apart.max(error.abs() * 1000.0);
                    }
                }
            }
            lies = lies.map(|at| at + length * 1000.0 * (1.0 + follower.share()));
        } else {
            pictures += 1;
            let delay = place - (10_000.0 + stamp * rate);
            if report.delays.len() < second.floor() as usize {
                report.delays.push(delay);
            }
        }
    }
}

fn skewed(ppm: f64) -> Sender {
    Sender { ppm, ..LAPTOP }
}

#[test]
fn the_first_frame_sets_the_offset_whatever_its_timestamp() {
    let mut line = Timeline::default();
    let hours = 7 * 3600 * 1_000_000_000;
    let offset = line.place(Media::Video, hours, hours, 500_000_000);
    assert_eq!(offset, 500_000_000 - hours as i64);
    assert_eq!(line.place(Media::Audio, hours, hours, 510_000_000), offset);
}

#[test]
fn a_clock_that_runs_wrong_is_followed_for_hours() {
    for ppm in [-200.0, 200.0] {
        let mut chance = Chance::default();
        let report = send(12.0 * 3600.0, &skewed(ppm), |_| 2.0 + 4.0 * chance.wait());
        assert!(report.apart < 12.0, "{ppm} ppm: {} ms apart", report.apart);
        let seams = Report::after(&report.seams, 5.0);
        assert_eq!(seams, 0, "{ppm} ppm: {:?}", report.seams);
        let lost = Report::after(&report.lost, 5.0);
        assert!(lost < 1000, "{ppm} ppm: {lost} of 2 million buffers lost");
        let (least, most) = report.stretch;
        assert!(least > -1000.1 && most < 1000.1, "{least} to {most} ppm");
        let delays = &report.delays[20..];
        let [least, most] = [f64::min, f64::max]
            .map(|pick| delays.iter().copied().reduce(pick).unwrap_or_default());
        assert!(
            least > 2.0 && most < 45.0,
            "{ppm} ppm: delay {least} to {most} ms"
        );
    }
}

/// How much later what is sent at a second arrives, in ms.
type Network = Box<dyn FnMut(f64) -> f64>;

#[test]
fn jitter_cuts_no_sound_and_costs_no_more_delay_than_itself() {
    let (mut even, mut waiting) = (Chance::default(), Chance::default());
    let networks: [(&str, f64, Network); 4] = [
        ("none", 8.0, Box::new(|_| 0.0)),
        ("even", 110.0, Box::new(move |_| 100.0 * even.next())),
        ("waiting", 110.0, Box::new(move |_| 15.0 * waiting.wait())),
        ("bursts", 110.0, Box::new(|at| 80.0 - (at * 1000.0) % 80.0)),
    ];
    for (name, most, network) in networks {
        let report = send(600.0, &skewed(100.0), network);
        assert!(report.apart < 15.0, "{name}: {} ms apart", report.apart);
        let seams = Report::after(&report.seams, 20.0);
        assert!(seams <= 12, "{name}: seams at {:?}", report.seams);
        let lost = Report::after(&report.lost, 20.0);
        assert!(lost < 280, "{name}: {lost} of 28000 buffers lost");
        let late = &report.delays[300..];
        let delay = late.iter().sum::<f64>() / late.len() as f64;
        assert!(delay < most, "{name}: {delay} ms");
    }
}

/// Delays at these seconds.
fn delays(report: &Report, seconds: &[usize]) -> Vec<i64> {
    (seconds.iter())
        .map(|at| report.delays[*at].round() as i64)
        .collect()
}

#[test]
fn a_burst_at_the_start_costs_no_delay() {
    // A server begins with what is two seconds old.
    let report = send(30.0, &LAPTOP, |at| (2000.0 - at * 1000.0).max(0.0));
    let delays = delays(&report, &[2, 3, 5, 10, 25]);
    assert!(delays.iter().all(|delay| *delay < 15), "{delays:?}");
    assert_eq!(Report::after(&report.seams, 2.2), 0, "{:?}", report.seams);
}

#[test]
fn one_hold_up_costs_no_delay_later_and_many_are_allowed_for() {
    let once = |at: f64| {
        if (20.0..20.3).contains(&at) {
            300.0 - (at - 20.0) * 1000.0
        } else {
            0.0
        }
    };
    let report = send(40.0, &LAPTOP, once);
    let found = delays(&report, &[10, 19, 21, 25, 35]);
    assert!(found.iter().all(|delay| *delay < 8), "{found:?}");
    assert_eq!(Report::after(&report.seams, 3.0), 0, "{:?}", report.seams);
    // Every four seconds, by 300 ms: known after some, and nothing is lost from then on.
    let often = |at: f64| (300.0 - (at % 4.0) * 1000.0).max(0.0);
    let report = send(120.0, &LAPTOP, often);
    assert_eq!(Report::after(&report.lost, 18.0), 0, "{:?}", report.lost);
    assert_eq!(Report::after(&report.seams, 18.0), 0, "{:?}", report.seams);
    let found = delays(&report, &[15, 60, 118]);
    assert!(
        found.iter().all(|delay| (60..130).contains(delay)),
        "{found:?}"
    );
}

#[test]
fn a_way_that_grows_longer_is_found_soon_and_one_that_grows_shorter_in_time() {
    let grown = |at: f64| if at > 20.0 { 140.0 } else { 0.0 };
    let report = send(40.0, &LAPTOP, grown);
    let lost = Report::after(&report.lost, 3.0);
    assert!(lost < 20, "{lost} buffers lost");
    assert!(Report::after(&report.seams, 3.0) <= 2, "{:?}", report.seams);
    let found = delays(&report, &[19, 22, 30, 39]);
    assert!(
        found[0] < 8 && found[1..].iter().all(|delay| (125..150).contains(delay)),
        "{found:?}"
    );
    let shrunk = |at: f64| if at > 20.0 { 0.0 } else { 60.0 };
    let report = send(160.0, &LAPTOP, shrunk);
    assert_eq!(Report::after(&report.seams, 3.0), 0, "{:?}", report.seams);
    let found = delays(&report, &[19, 150]);
    assert!(found[0] >= 55 && found[1] < 15, "{found:?}");
}

#[test]
fn sound_that_is_sent_late_holds_the_picture_back_only_where_the_mixer_does_not_wait() {
    let sender = Sender {
        sound_lag: 200.0,
        ..LAPTOP
    };
    let report = send(30.0, &sender, |_| 0.0);
    assert!(delays(&report, &[5, 28]).iter().all(|delay| *delay < 8));
    let sender = Sender {
        sound_lag: 370.0,
        ..skewed(-80.0)
    };
    let report = send(120.0, &sender, |_| 0.0);
    assert!(Report::after(&report.seams, 3.0) == 0, "{:?}", report.seams);
    assert_eq!(Report::after(&report.lost, 3.0), 0, "{:?}", report.lost);
    let found = delays(&report, &[5, 30, 118]);
    assert!(
        found.iter().all(|delay| (110..135).contains(delay)),
        "{found:?}"
    );
}

#[test]
fn sound_alone_is_waited_for_no_longer_than_the_mixer_does_in_any_case() {
    let mut line = Timeline::default();
    let frame = 1024 * 1_000_000_000 / 48_000u64;
    let mut ahead = 0;
    for n in 1..2000u64 {
        let now = 1_000_000_000 + n * frame;
        let offset = line.place(Media::Audio, n * frame, n * frame, now);
        ahead = now as i64 - (n * frame) as i64 - offset;
    }
    assert!((0..=SOUND_ALONE).contains(&ahead), "{ahead} ns");
    // Pictures that stop leave the sound where it was.
    let mut line = Timeline::default();
    let mut offsets = Vec::new();
    for n in 1..4000u64 {
        let now = 1_000_000_000 + n * frame;
        if n < 500 {
            line.place(Media::Video, n * frame, n * frame, now);
        }
        offsets.push(line.place(Media::Audio, n * frame, n * frame, now));
    }
    let (before, after) = (offsets[400], offsets[3900]);
    assert!((before - after).abs() < 5_000_000, "{before} {after}");
}

#[test]
fn pictures_alone_are_on_time_soon() {
    let sender = Sender {
        sounds: false,
        ..skewed(200.0)
    };
    let late = |at: f64| if at < 30.0 { 120.0 } else { 0.0 };
    let report = send(120.0, &sender, late);
    let found = delays(&report, &[10, 29, 75, 118]);
    assert!((115..125).contains(&found[1]), "{found:?}");
    assert!(found[2] < 10 && found[3] < 10, "{found:?}");
    // One a second, as of slides that rarely change.
    let sender = Sender {
        sounds: false,
        pictures_a_second: 1.0,
        ..skewed(-200.0)
    };
    let report = send(3600.0, &sender, |_| 3.0);
    let found = delays(&report, &[10, 100, 1000, 3500]);
    assert!(
        found.iter().all(|delay| (-3..12).contains(delay)),
        "{found:?}"
    );
}

#[test]
fn a_pause_of_minutes_is_bridged() {
    // Nothing is sent: what comes next comes at its time, by a clock that went on running wrong.
    let mut line = Timeline::default();
    let rate = 1.0 + 200e-6;
    let mut place = |ms: f64| {
        let now = ((10_000.0 + ms * rate) * MS) as u64;
        let offset = line.place(Media::Video, (ms * MS) as u64, (ms * MS) as u64, now);
        (ms * MS) as i64 + offset - now as i64
    };
    for n in 0..6000 {
        place(f64::from(n) * 33.0);
    }
    // Less than what starts a timeline anew.
    for n in 0..300 {
        let early = place(198_000.0 + f64::from(n) * 900.0);
        assert!(early.abs() < 8_000_000, "{n}: {early} ns early");
    }
}

#[test]
fn frames_in_order_stay_in_order() {
    let mut line = Timeline::default();
    let mut chance = Chance::default();
    let (mut now, mut last) = (1e9, [i64::MIN; 2]);
    for n in 0..20_000u64 {
        // Anything may happen to arrivals.
        now += 33.0 * MS * chance.wait() * if chance.next() < 0.001 { 30.0 } else { 1.0 };
        let dts = n * 33 * MS as u64;
        now = now.max(dts as f64);
        for (index, media) in [Media::Video, Media::Audio].into_iter().enumerate() {
            let place = dts as i64 + line.place(media, dts, dts, now as u64);
            assert!(place > last[index], "{n}: {media:?} goes back");
            last[index] = place;
        }
    }
}

#[test]
fn a_jump_starts_anew() {
    let mut line = Timeline::default();
    let ms = |offset: i64| offset / MS as i64;
    line.place(Media::Video, 0, 0, 1_000_000_000);
    let offset = line.place(Media::Video, 60_000_000_000, 60_000_000_000, 1_033_000_000);
    assert_eq!(ms(offset), 1033 - 60_000);
    let back = line.place(Media::Video, 33_000_000, 33_000_000, 1_066_000_000);
    assert_eq!(ms(back), 1033, "and backwards");
}

#[test]
fn decoding_ahead_is_delay_only_where_pictures_come_out_of_order() {
    let frame = 33_000_000u64;
    // In order, and decoded a picture ahead all the same.
    let mut line = Timeline::default();
    for n in 1..100 {
        let now = 1_000_000_000 + n * frame;
        let offset = line.place(Media::Video, n * frame, (n - 1) * frame, now);
        assert_eq!(
            (n * frame) as i64 + offset,
            now as i64,
            "shown when it is there"
        );
    }
    // I0 P3 B1 B2: the picture before is what a late one waits for.
    let mut line = Timeline::default();
    for n in 0..100u64 {
        let shown = [0, 3, 1, 2][n as usize % 4] + n / 4 * 4 + 1;
        let now = 1_000_000_000 + n * frame;
        let offset = line.place(Media::Video, shown * frame, n * frame, now);
        if n > 60 {
            assert_eq!(
                (n * frame) as i64 + offset,
                now as i64,
                "decoded when it is there"
            );
        }
    }
}
