//! Interlaced pictures in motion.

use super::*;

#[test]
fn what_moves_in_interlaced_pictures_has_no_comb() {
    // A white bar that moves by sixteen pixels from field to field.
    let moving = "color=black:s=720x576:r=50[b];color=white:s=80x576:r=50[w];\
                  [b][w]overlay=x='mod(t*800,640)',interlace=scan=tff,format=yuv420p";
    let encode = "-c:v libx264 -preset veryfast -flags +ilme+ildct -x264-params tff=1 -g 25 -t 4";
    let mut words: Vec<String> = ["-f", "lavfi", "-i", moving].map(str::to_owned).into();
    words.extend(encode.split(' ').map(str::to_owned));
    let clip = clip(&words, "mkv");
    // How many pixels differ from both neighbours above and below, which are alike.
    let comb = |picture: &Picture| {
        let (width, height) = (720.0, 576.0);
        let at = |x: u32, y: u32| {
            let (x, y) = (f64::from(x) / width, f64::from(y) / height);
            i32::from(picture.mean(x, y, 1.0 / width, 1.0 / height).1)
        };
        let teeth = |x: u32, y: u32| {
            let (above, here, below) = (at(x, y - 1), at(x, y), at(x, y + 1));
            (above - below).abs() < 40 && (above - here).abs() > 80
        };
        let places = (20..720).flat_map(|x| (250..300).map(move |y| (x, y)));
        places.filter(|(x, y)| teeth(*x, *y)).count()
    };
    let relay = free_port();
    let venue = venue(relay, 1, |_| "kind = \"push\"\n".to_owned())
        .replace("768x432", "720x576")
        .replace(
            "width = 0.3333, height = 0.3333",
            "width = 1.0, height = 1.0",
        );
    let engine = Engine::start(&venue);
    let door = format!("rtsp://127.0.0.1:{relay}/ingest/s0");
    let _laptop = Laptop::push(&clip, &door).tcp();
    engine.wait_status(seconds(8), "live", |status| {
        source(status, 0)["has_picture"] == true
    });
    let mut viewer = Viewer::watch_picture(&format!("rtsp://127.0.0.1:{relay}/programme"));
    viewer.wait_picture(seconds(8));
    std::thread::sleep(seconds(2));
    let recording = viewer.stop();
    let mut moving = 0;
    for at in [0.5, 0.8, 1.1, 1.4] {
        let picture = recording.picture_at(at);
        moving += usize::from((0..72).any(|x| picture.colour_at(f64::from(x) / 72.0, 0.5).1 > 200));
        let teeth = comb(&picture);
        assert!(
            teeth < 60,
            "{teeth} teeth at {at} s; see {}",
            picture.keep()
        );
    }
    assert!(moving >= 3, "the bar was seen {moving} times");
}
