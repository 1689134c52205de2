//! Networks that lose, reorder and delay datagrams.

use super::*;

/// A way that a laptop's datagrams take: what is wrong with it, as `tc netem` has it and as the
/// tests' own way has it, and the least share of pictures that come through.
type Road = (&'static str, wire::Spoil, f64);

/// Whether the kernel can make such ways itself is known to the caller.
#[track_caller]
fn travel(roads: &[Road], netem: bool) -> Option<String> {
    let (engine, relay, _stamped) = engine_with(roads.len());
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    let mut laptops = Vec::new();
    for (n, (trouble, spoil, _)) in roads.iter().enumerate() {
        let log = engine.room.path().join(format!("laptop{n}.log"));
        let (link, mut command, url) = if netem {
            let link = link::Link::new(n as u8, trouble);
            let (command, url) = (
                link.command("ffmpeg"),
                format!("rtsp://{}:{relay}", link.here()),
            );
            (Some(link), command, url)
        } else {
            let door = wire::datagrams(relay, *spoil);
            (
                None,
                Command::new("ffmpeg"),
                format!("rtsp://127.0.0.1:{door}"),
            )
        };
        command.args([
            "-nostdin",
            "-v",
            "warning",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
        ]);
        command
            .arg(plain_clip(n))
            .args(["-c", "copy", "-f", "rtsp"]);
        command.args(["-rtsp_transport", "udp", &format!("{url}/ingest/s{n}")]);
        laptops.push((Process::start("the laptop", &mut command, &log), link));
        engine.wait_status(seconds(12), trouble, |status| {
            source(status, n)["has_picture"] == true
        });
    }
    let frames = |status: &Value| -> Vec<u64> {
        let all = (0..roads.len()).map(|n| source(status, n)["frames"].as_u64().unwrap());
        all.collect()
    };
    let (before, begun) = (frames(&engine.status()), Instant::now());
    engine.wait_status(seconds(25), "the loss is told", |status| {
        has_fault(status, 0, "packets-lost")
    });
    std::thread::sleep(seconds(5).saturating_sub(begun.elapsed()));
    let status = engine.status();
    let (after, passed) = (frames(&status), begun.elapsed().as_secs_f64());
    let recording = viewer.stop();
    let heard = Stereo::end_of(recording.file(), 2.0);
    let seen = recording.late_picture();
    for (n, (trouble, _, least)) in roads.iter().enumerate() {
        let rate = (after[n] - before[n]) as f64 / passed;
        eprintln!("{trouble}: {rate:.1} pictures/s");
        // Figures are a second old.
        assert!(rate > 30.0 * least - 4.0, "{trouble}: {rate:.1} pictures/s");
        if let Some(flaw) = plain_flaw(n, &seen, &heard) {
            panic!("{trouble}: {flaw}; see {}", seen.keep());
        }
        let told = has_fault(&status, n, "packets-lost");
        // A share that is just felt may be told, or not.
        let expected = if n == 1 { told } else { n == 0 };
        assert_eq!(told, expected, "{trouble}: {:#}", status["faults"]);
    }
    disturbance(&recording, roads.len())
}

const ROADS: [Road; 5] = [
    (
        "loss 4%",
        wire::Spoil {
            lose: 25,
            ..wire::SOUND
        },
        0.4,
    ),
    (
        "loss 1%",
        wire::Spoil {
            lose: 100,
            ..wire::SOUND
        },
        0.6,
    ),
    (
        "delay 20ms reorder 5% 50%",
        wire::Spoil {
            delay: 20,
            hurry: 20,
            ..wire::SOUND
        },
        0.95,
    ),
    (
        "delay 40ms 30ms",
        wire::Spoil {
            delay: 10,
            jitter: 60,
            ..wire::SOUND
        },
        0.9,
    ),
    (
        "delay 300ms rate 3mbit",
        wire::Spoil {
            delay: 300,
            ..wire::SOUND
        },
        0.95,
    ),
];

#[test]
fn datagrams_that_are_lost_out_of_order_and_late() {
    undisturbed(|| travel(&ROADS, false));
}

#[test]
fn the_same_on_links_of_the_kernel() {
    match link::why_not() {
        Some(reason) => eprintln!("skipped: {reason}"),
        None => undisturbed(|| travel(&ROADS, true)),
    }
}
