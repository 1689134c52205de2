//! Senders whose timestamps are bad, who become something else, or never say anything.

use super::*;

#[test]
fn timestamps_that_jump_stand_still_or_run_back() {
    /// When the trouble begins, in seconds.
    const TROUBLE: f64 = 2.0;
    let rows: [(&str, wire::Tamper); 6] = [
        ("close to the end of its 32 bits", |packet, _| {
            packet.start_at(0xFFFF_0000)
        }),
        ("an hour ahead", |packet, at| {
            if at > TROUBLE {
                packet.move_by(3600.0)
            }
        }),
        ("20 s back", |packet, at| {
            if at > TROUBLE {
                packet.move_by(-20.0)
            }
        }),
        ("the picture alone, 5 s back", |packet, at| {
            if at > TROUBLE && packet.is_video() {
                packet.move_by(-5.0);
            }
        }),
        ("the picture's stand still", |packet, at| {
            if at > TROUBLE && packet.is_video() {
                packet.hold();
            }
        }),
        ("back and forth all the time", |packet, at| {
            if at > TROUBLE && ((at / 1.5) as u64).is_multiple_of(2) {
                packet.move_by(100.0);
            }
        }),
    ];
    undisturbed(|| {
        let (engine, relay, _stamped) = engine_with(rows.len());
        let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
        viewer.wait_picture(seconds(8));
        let mut laptops = Vec::new();
        for (n, (_, tamper)) in rows.iter().enumerate() {
            let door = wire::proxy(relay, *tamper);
            let log = engine.room.path().join(format!("laptop{n}.log"));
            let how = ["-f", "rtsp", "-rtsp_transport", "tcp"];
            let url = format!("rtsp://127.0.0.1:{door}/ingest/s{n}");
            laptops.push(send(&plain_clip(n), &how, &url, &log));
            engine.wait_status(seconds(8), rows[n].0, |status| {
                source(status, n)["has_picture"] == true
            });
        }
        // The trouble that lasts is told.
        let status = engine.wait_status(seconds(15), "the faults", |status| {
            has_fault(status, 4, "timestamps") && has_fault(status, 5, "timestamps")
        });
        for (n, (name, _)) in rows.iter().enumerate().take(4) {
            assert!(!has_fault(&status, n, "timestamps"), "{name}");
        }
        std::thread::sleep(seconds(3));
        let status = engine.status();
        let recording = viewer.stop();
        let heard = Stereo::end_of(recording.file(), 2.0);
        let seen = recording.late_picture();
        for (n, (name, _)) in rows.iter().enumerate() {
            assert_eq!(source(&status, n)["state"], "live", "{name}");
            // What has no time of its own has no place for its sound either, but for now.
            if n != 5
                && let Some(flaw) = plain_flaw(n, &seen, &heard)
            {
                panic!("{name}: {flaw}; see {}", seen.keep());
            }
        }
        disturbance(&recording, rows.len())
    });
}

#[test]
fn a_stream_that_changes_its_size_and_a_place_that_changes_its_codec() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay, 2, |_| "kind = \"push\"\n".to_owned()));
    let door = |n: usize| format!("rtsp://127.0.0.1:{relay}/ingest/s{n}");
    let part = |size, rate, offset: u32| {
        let mut words: Vec<String> = ["-f", "lavfi", "-i"].map(str::to_owned).into();
        words.push(card(size, rate, "yuv420p"));
        let encode = format!(
            "-t 4 -c:v libx264 -preset veryfast -bf 0 -g 15 -colorspace bt709 -output_ts_offset {offset}"
        );
        words.extend(encode.split(' ').map(str::to_owned));
        clip(&words, "ts")
    };
    let both = [
        part((640, 360), "30", 0),
        part((320, 240), "15", 4),
        part((480, 480), "25", 8),
    ];
    let joined = engine.room.path().join("joined.ts");
    let bytes: Vec<u8> = both
        .iter()
        .flat_map(|part| std::fs::read(part).unwrap())
        .collect();
    std::fs::write(&joined, bytes).unwrap();
    let log = engine.room.path().join("laptop.log");
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "warning", "-re", "-i"])
        .arg(&joined);
    command.args([
        "-c",
        "copy",
        "-f",
        "rtsp",
        "-rtsp_transport",
        "tcp",
        &door(0),
    ]);
    let _laptop = Process::start("the laptop", &mut command, &log);
    let log = engine.room.path().join("first.log");
    let how = ["-f", "rtsp", "-rtsp_transport", "tcp"];
    let first = send(&plain_clip(1), &how, &door(1), &log);
    engine.wait_status(seconds(8), "both live", |status| {
        source(status, 0)["has_picture"] == true && source(status, 1)["has_picture"] == true
    });
    let mut player = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/source/s1"));
    player.wait_picture(seconds(8));
    for (said, shape) in [
        ("H.264 320x240 15 fps", (4.0, 3.0)),
        ("H.264 480x480 25 fps", (1.0, 1.0)),
    ] {
        engine.wait_status(seconds(8), said, |status| {
            source(status, 0)["picture"] == said
        });
        let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
        viewer.wait_picture(seconds(8));
        std::thread::sleep(Duration::from_millis(800));
        let seen = viewer.stop().late_picture();
        assert_eq!(flaw(&seen, field(0), shape, 0), None, "see {}", seen.keep());
    }
    // The next who comes to the place sends something else.
    drop(first);
    let row = Row {
        video: "-vf scale=in_color_matrix=bt709:out_color_matrix=bt601 -c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M -g 30",
        sound: Sound::Mono,
        audio: "-c:a libopus -ac 1",
        ..PLAIN
    };
    let log = engine.room.path().join("second.log");
    let _second = send(&row.clip(1), &how, &door(1), &log);
    engine.wait_status(seconds(8), "VP8", |status| {
        source(status, 1)["picture"] == "VP8 640x360" && source(status, 1)["has_picture"] == true
    });
    // Who played what was there before is not left with what it cannot read.
    player.wait_refused(seconds(10));
    let mut player = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/source/s1"));
    player.wait_picture(seconds(8));
    assert_eq!(player.stop().video().codec(), "vp8");
    let mut viewer = Viewer::watch(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(2));
    let recording = viewer.stop();
    let (seen, heard) = (
        recording.late_picture(),
        Stereo::end_of(recording.file(), 1.0),
    );
    assert_eq!(row.flaw(1, &seen, &heard), None, "see {}", seen.keep());
}

#[test]
fn who_takes_a_place_and_never_says_anything_is_sent_away() {
    let relay = free_port();
    let engine = Engine::start(&venue(relay, 1, |_| "kind = \"push\"\n".to_owned()));
    let mut mute = wire::announce(relay, "/ingest/s0");
    engine.wait_status(seconds(5), "connecting", |status| {
        source(status, 0)["state"] == "connecting"
    });
    let begun = Instant::now();
    let status = engine.wait_status(seconds(14), "the place free", |status| {
        source(status, 0)["state"] == "idle"
    });
    assert!(begun.elapsed() > seconds(7), "{:?}", begun.elapsed());
    assert_eq!(
        source(&status, 0)["reason"],
        "it was connected, but sent nothing"
    );
    assert_eq!(
        std::io::Read::read(&mut mute, &mut [0; 64]).unwrap_or(0),
        0,
        "hung up"
    );
    let _laptop = Laptop::push(
        &plain_clip(0),
        &format!("rtsp://127.0.0.1:{relay}/ingest/s0"),
    )
    .tcp();
    engine.wait_status(seconds(8), "somebody else", |status| {
        source(status, 0)["state"] == "live"
    });
}
