//! Screens in the building: what they show is read from their display's memory, picture by picture, while
//! engines and servers come, go and hang.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{
    Cage, Colour, Ear, Engine, Heard, Laptop, Look, Namespace, Nginx, Panel, Room, Sight,
    SoundServer, TlsFront, Wall, clock, free_port, numbered, numbered_and_heard, seconds,
    wait_until,
};
use tempfile::TempDir;

/// The slate's ground.
const GROUND: Colour = Colour(0x0E, 0x0F, 0x12);
/// What the slate says where a person has to do something.
const HINT: &str =
    "The relay does not let this screen in: check its user, password and certificate.";
/// Promised: a feed is on the glass again so soon after it is back.
const BACK: Duration = seconds(1);

/// Promised: so far apart sound and picture are at most, in seconds.
const IN_STEP: f64 = 0.040;

/// A room that plays the numbered footage.
struct Hall {
    relay: u16,
    _folder: TempDir,
    film: PathBuf,
}

impl Hall {
    #[track_caller]
    fn new() -> Self {
        Self::playing(numbered)
    }

    #[track_caller]
    fn playing(film: impl Fn(&Path) -> PathBuf) -> Self {
        let folder = TempDir::with_prefix("regie-screen-").unwrap();
        Self {
            relay: free_port(),
            film: film(folder.path()),
            _folder: folder,
        }
    }

    fn venue(&self, more: &str) -> String {
        format!(
            "name = \"Amphi A\"\n[programme]\nsize = \"320x180\"\n\
             [[source]]\nid = \"clip\"\nkind = \"file\"\npath = \"{}\"\nrole = \"slides\"\n\
             [[source]]\nid = \"laptop\"\nkind = \"push\"\n\
             [relay]\nlisten = \"127.0.0.1:{}\"\n{more}",
            self.film.display(),
            self.relay
        )
    }

    #[track_caller]
    fn start(&self) -> Engine {
        let engine = Engine::start(&self.venue(""));
        wait_live(&engine, 0);
        engine
    }

    fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{path}", self.relay)
    }
}

#[track_caller]
fn wait_live(engine: &Engine, source: usize) {
    engine.wait_status(seconds(8), "the source is live", |status| {
        status["sources"][source]["state"] == "live"
    });
}

/// What the figures say, once they are asked for.
#[track_caller]
fn figures(screen: &Panel, mark: &str) -> String {
    let mut found = String::new();
    wait_until(seconds(4), &format!("the figures say {mark:?}"), || {
        let labels = screen.labels();
        let told = labels.iter().find(|label| label.name.contains(mark));
        found = told.map_or_else(String::new, |label| label.name.clone());
        told.is_some()
    });
    found
}

/// So many seconds in which at most so many pictures are left out. A machine that does other things
/// beside it may stop for a moment: of some spans one has to be good, and in none is there a step back.
#[track_caller]
fn assert_even(wall: &Wall, span: u64, most: u32) {
    let mut sights = Vec::new();
    for _ in 0..5 {
        let sight = wall.watch(seconds(span));
        let (shown, missed) = (sight.seen.len(), sight.missed);
        assert_eq!(sight.backward, 0, "{sight:?}");
        sights.push(format!(
            "{shown} shown, {missed} left out, the longest for {:?}",
            sight.longest
        ));
        let sent = 30 * span as usize;
        if missed <= most && shown + 3 + most as usize >= sent {
            println!("in {span} s: {}", sights.join("; "));
            return;
        }
    }
    panic!("in {span} s each: {}", sights.join("; "));
}

#[test]
fn every_picture_is_shown_and_the_figures_say_how() {
    let hall = Hall::new();
    let engine = hall.start();
    let url = hall.url("source/clip");
    let screen = Panel::open(&engine.room, Look::screen(&[&url]));
    let wall = screen.wall();
    wall.wait_number(seconds(5));
    // A connection begins with a burst.
    wall.watch(seconds(1));
    assert_even(&wall, 4, 4);
    assert_eq!(
        screen.places(),
        [[0, 0, 1280, 720]],
        "it covers the display"
    );
    // The picture's own colour, at its edges as well.
    for (x, y) in [(0.001, 0.2), (0.999, 0.999), (0.5, 0.5)] {
        assert!(
            wall.colour(x, y).is_like(Colour(0x30, 0x60, 0x90)),
            "{x} {y}"
        );
    }
    screen.key("i");
    let told = figures(&screen, "a second, 1280 × 720");
    println!("{told}");
    assert!(told.contains("avdec_h264, by the processor"), "{told}");
    assert!(told.contains("RTSP / TCP") && told.contains(&url), "{told}");
    assert!(told.contains("0 packets lost"), "{told}");
    screen.key("i");
    wait_until(seconds(2), "the figures are gone", || {
        !screen
            .labels()
            .iter()
            .any(|label| label.name.contains("a second"))
    });
    screen.key("Escape");
    assert_eq!(screen.complaints(), [""; 0]);
    screen.key("q");
    let mut screen = screen;
    assert!(screen.process().wait_end(seconds(3)).0.success());
}

#[test]
fn a_feed_that_goes_is_held_then_the_slate_and_then_itself_again() {
    let hall = Hall::new();
    let mut engine = hall.start();
    let url = hall.url("source/clip");
    let screen = Panel::open(
        &engine.room,
        Look::screen(&["--name", "Amphi A", "--kiosk", &url]),
    );
    let wall = screen.wall();
    wall.wait_number(seconds(5));
    let slate = || wall.number().is_none() && wall.colour(0.3, 0.1).is_like(GROUND);

    // Killed: the last picture stays for a moment.
    engine.kill9();
    let gone = Instant::now();
    std::thread::sleep(seconds(1));
    let held = wall.number();
    assert!(held.is_some(), "the last picture is held");
    let until_slate = wait_until(seconds(3), "the slate", slate) + seconds(1);
    assert!(
        gone.elapsed() > Duration::from_millis(1800),
        "held for {until_slate:?}"
    );
    screen.label("Amphi A").wait_there();
    screen
        .label("The picture comes back by itself")
        .wait_there();
    // In a kiosk no key ends it.
    screen.key("q");
    screen.key("Escape");
    engine.restart();
    wait_live(&engine, 0);
    let back = wall.wait_another(seconds(5));
    println!("held for {until_slate:?}, back {back:?} after the source");
    assert!(back < BACK, "{back:?}");

    // Hung: its connections stay, and nothing comes; for longer than any attempt lasts.
    engine.freeze();
    wait_until(seconds(4), "the slate", slate);
    std::thread::sleep(seconds(6));
    engine.thaw();
    let back = wall.wait_number(seconds(5));
    println!("back {back:?} after a hung server went on");
    assert!(back < BACK, "{back:?}");
    // It goes on: not one picture of an old connection.
    assert_even(&wall, 1, 2);
    assert_eq!(screen.complaints(), [""; 0]);
}

#[test]
fn keys_are_asked_for_mounts_and_outputs_are_waited_for_and_nothing_is_told() {
    let hall = Hall::playing(numbered_and_heard);
    let guard = "user = \"hall\"\npassword_file = \"relay.pw\"\n";
    let room = Room::new(&hall.venue(guard)).file("relay.pw", "s3cret-of-9\n");
    let engine = room.file("wrong.pw", "wr0ng-of-9\n").start();
    wait_live(&engine, 0);
    let url = format!("rtsp://hall@127.0.0.1:{}/source/laptop", hall.relay);
    let wrong = Look::screen(&[&url, "--password-file", "wrong.pw"]);
    let screen = Panel::open(&engine.room, wrong);
    screen.label(HINT).wait_within(seconds(5));
    assert!(!screen.log().contains("wr0ng-of-9"), "{}", screen.log());
    drop(screen);
    let arguments = [
        "--transport",
        "udp",
        "--output",
        "HDMI-9",
        "--password-file",
        "relay.pw",
    ];
    let right = Look::screen(&[&[url.as_str()], &arguments[..]].concat());
    let screen = Panel::open(&engine.room, right);
    wait_until(seconds(3), "the outputs are listed", || {
        let log = screen.log();
        log.contains("there is no output HDMI-9") && log.contains("outputs: ")
    });
    // Nobody pushes yet.
    screen
        .label("The picture comes back by itself")
        .wait_there();
    assert!(!screen.label(HINT).is_there());
    let ingest = hall.url("ingest/laptop");
    let _laptop = Laptop::push(&hall.film, &ingest).tcp();
    wait_live(&engine, 1);
    let wall = screen.wall();
    let took = wall.wait_number(seconds(5));
    println!("on the glass {took:?} after the laptop was live");
    assert!(took < BACK, "{took:?}");
    assert_even(&wall, 2, 6);
    screen.key("i");
    figures(&screen, "RTSP / UDP");
    let log = screen.log();
    assert!(!log.contains("s3cret-of-9"), "{log}");
    assert_eq!(screen.complaints(), [""; 0]);
}

#[test]
fn by_tls_only_a_certificate_that_is_trusted_is_believed() {
    let hall = Hall::new();
    let engine = hall.start();
    let front = TlsFront::of(hall.relay);
    let url = format!("rtsps://localhost:{}/source/clip", front.port());
    let screen = Panel::open(&engine.room, Look::screen(&[&url]));
    screen.label(HINT).wait_within(seconds(5));
    assert!(screen.wall().number().is_none());
    drop(screen);
    let certificate = front.certificate();
    let trusting = ["--authority", certificate.to_str().unwrap(), &url];
    let screen = Panel::open(&engine.room, Look::screen(&trusting));
    let wall = screen.wall();
    wall.wait_number(seconds(5));
    assert_even(&wall, 1, 2);
    screen.key("i");
    figures(&screen, "RTSPS / TCP");
    assert_eq!(screen.complaints(), [""; 0]);
}

/// What was seen and heard of numbered footage at the same time, so long.
#[track_caller]
fn look_and_listen(wall: &Wall, server: &SoundServer, time: Duration) -> (Sight, Heard) {
    let ear = Ear::at(server);
    let sight = wall.watch(time);
    (sight, ear.stop())
}

/// By how much each beep is late against the picture that it belongs to, in seconds.
fn sound_after_picture(sight: &Sight, heard: &Heard) -> Vec<f64> {
    let (now, clock) = (Instant::now(), clock());
    let shown = (sight.seen.iter())
        .filter(|(_, number)| number.is_multiple_of(30))
        .map(|(at, _)| clock - (now - *at).as_secs_f64());
    let shown: Vec<f64> = shown.collect();
    let beeps = heard.right.onsets(-30.0).into_iter();
    let apart = beeps.filter_map(|at| {
        let beep = heard.clock(at);
        let apart = shown.iter().map(|shown| beep - shown);
        apart.min_by(|a, b| a.abs().total_cmp(&b.abs()))
    });
    apart.filter(|apart| apart.abs() < 0.4).collect()
}

/// The tone is heard all the time, and the beeps are in step with the pictures. A machine that draws without
/// a GPU, and sends and mixes beside it, may stop for a moment: of some looks one has to be good. Each move of
/// the sound is a seam; how large they are is told, and not judged.
#[track_caller]
fn assert_in_step(wall: &Wall, server: &SoundServer) {
    let mut looks = Vec::new();
    for _ in 0..4 {
        let (sight, heard) = look_and_listen(wall, server, seconds(4));
        let tone = heard.left.between(0.3, heard.left.seconds() - 0.2);
        let mut apart = sound_after_picture(&sight, &heard);
        apart.sort_by(f64::total_cmp);
        let told: Vec<String> = (apart.iter().map(|it| format!("{:.0}", it * 1e3))).collect();
        let (silence, step) = (tone.longest_silence(), tone.largest_step());
        let look = format!(
            "sound {} ms after the picture; silent for {silence:.2} s, steps of {step:.4} (its own: 0.0081)",
            told.join(" ")
        );
        println!("{look}");
        looks.push(look);
        let in_step =
            tone.has_tone(440.0) && apart.len() > 2 && apart[apart.len() / 2].abs() <= IN_STEP;
        if in_step && silence < 0.05 {
            return;
        }
    }
    panic!("{looks:?}");
}

/// Waits until the tone is heard.
#[track_caller]
fn wait_heard(server: &SoundServer, deadline: Duration) -> Duration {
    wait_until(deadline, "the tone is heard", || {
        let ear = Ear::at(server);
        std::thread::sleep(Duration::from_millis(300));
        let left = ear.stop().left;
        left.between(left.seconds() - 0.2, left.seconds())
            .has_tone(440.0)
    })
}

#[test]
fn sound_is_in_step_with_the_picture_and_comes_back_with_it() {
    let server = SoundServer::start(48_000);
    let hall = Hall::playing(numbered_and_heard);
    let room = Room::new(&hall.venue("")).env("PULSE_SERVER", &server.address());
    let mut engine = room.start();
    wait_live(&engine, 0);
    let url = hall.url("source/clip");
    let screen = Panel::open(&engine.room, Look::screen(&["--sound", "on", &url]));
    let wall = screen.wall();
    wall.wait_number(seconds(5));
    wait_heard(&server, seconds(12));
    assert_in_step(&wall, &server);

    engine.kill9();
    wait_until(seconds(4), "the slate", || wall.number().is_none());
    engine.restart();
    wall.wait_number(seconds(8));
    wait_heard(&server, seconds(12));
    assert_in_step(&wall, &server);
    assert_eq!(screen.complaints(), [""; 0]);
}

#[test]
fn without_a_sound_device_the_picture_goes_on_and_says_so() {
    let mut server = SoundServer::start(48_000);
    server.kill();
    let hall = Hall::playing(numbered_and_heard);
    let room = Room::new(&hall.venue(""))
        .env("PULSE_SERVER", &server.address())
        // What this machine has beside the server is none of ours.
        .env("ALSA_CONFIG_PATH", "/dev/null");
    let engine = room.start();
    wait_live(&engine, 0);
    let url = hall.url("source/clip");
    let screen = Panel::open(&engine.room, Look::screen(&["--sound", "on", &url]));
    let wall = screen.wall();
    wall.wait_number(seconds(5));
    screen.key("i");
    figures(&screen, "no sound device of this PC works");
    screen.key("i");
    // It is tried again meanwhile.
    assert_even(&wall, 5, 8);
    let said = screen.log().matches("the sound cannot be played").count();
    assert_eq!(said, 1, "{}", screen.log());

    server.restart();
    let took = wait_heard(&server, seconds(9));
    println!("heard {took:?} after the sound server was there");
    // It dies while it plays.
    server.kill();
    screen.key("i");
    figures(&screen, "no sound device of this PC works");
    screen.key("i");
    assert_even(&wall, 1, 2);
    assert_eq!(screen.complaints(), [""; 0]);
}

#[test]
fn rtmp_and_srt_are_played_as_well() {
    let hall = Hall::new();
    let mut server = Nginx::running();
    let room = Room::new(&hall.venue(""));
    let url = server.rtmp_url("room", "amphi");
    let screen = Panel::open(&room, Look::screen(&[&url]));
    let wall = screen.wall();
    for round in 0..2 {
        let laptop = Laptop::push(&hall.film, &url).rtmp();
        server.wait_publishing("room", "amphi", seconds(8));
        let took = wall.wait_number(seconds(5));
        println!("on the glass {took:?} after it was published");
        // nginx starts a viewer with the next keyframe, and here is one each second.
        assert!(took < BACK + BACK, "{took:?}");
        assert_even(&wall, 2, 6);
        if round == 0 {
            server.kill();
            drop(laptop);
            wait_until(seconds(4), "the slate", || wall.number().is_none());
            server.start();
        }
    }
    drop(screen);
    let url = format!("srt://127.0.0.1:{}", free_port());
    let screen = Panel::open(&room, Look::screen(&[&url]));
    screen
        .label("The picture comes back by itself")
        .wait_there();
    let _laptop = Laptop::push(&hall.film, &format!("{url}?mode=listener")).srt();
    let wall = screen.wall();
    wall.wait_number(seconds(8));
    assert_even(&wall, 2, 6);
    assert_eq!(screen.complaints(), [""; 0]);
}

#[test]
fn a_kiosk_in_cage_shows_the_feed_without_a_keyboard() {
    let hall = Hall::new();
    let engine = hall.start();
    let url = hall.url("programme");
    let mut kiosk = Cage::start(&["screen", "--kiosk", "--stage", "--for", "3m", &url]);
    wait_until(seconds(15), "the kiosk shows the programme", || {
        kiosk.log().contains("the picture is there") && kiosk.picture().is_some()
    });
    // Below the picture the clock, and in amber what is left.
    let picture = kiosk.picture().unwrap();
    let amber = (0..1280).any(|x| {
        (600..720).any(|y| {
            let seen = picture.mean(f64::from(x) / 1280.0, f64::from(y) / 720.0, 0.001, 0.001);
            seen.is_like(Colour(0xF5, 0xA8, 0x3B))
        })
    });
    assert!(amber, "the time that is left");
    kiosk.assert_running();
    drop(kiosk);
    let mut kiosk = Cage::start(&["screen", "--kiosk", &hall.url("source/clip")]);
    let number = || kiosk.picture().and_then(|picture| picture.number());
    wait_until(seconds(15), "the kiosk shows the clip", || {
        number().is_some()
    });
    let first = number();
    wait_until(seconds(2), "pictures go on", || number() != first);
    assert!(!kiosk.log().contains("CRITICAL"), "{}", kiosk.log());
    kiosk.assert_running();
    drop(engine);
}

#[test]
fn without_an_address_a_room_is_looked_for() {
    let room = Room::new("name = \"Nowhere\"\n");
    let screen = Panel::open(&room, Look::screen(&[]));
    screen.label("Looking for a room").wait_there();
    let screen = Panel::open(&room, Look::screen(&[]).french());
    screen.label("Recherche d’une salle").wait_there();
    assert_eq!(screen.complaints(), [""; 0]);
    let said = room.regie(&["screen", "ftp://h/x"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("regie does not play ftp:"), "{said:?}");
}

#[test]
fn the_only_room_on_the_network_is_played_and_of_two_one_is_chosen() {
    let (Some(one), Some(two)) = (Namespace::new(), Namespace::new()) else {
        return;
    };
    let folder = TempDir::with_prefix("regie-screen-").unwrap();
    let film = numbered(folder.path());
    let engine = |machine: &Namespace, name: &str, source: &str| {
        let venue = format!(
            "name = \"{name}\"\n[programme]\nsize = \"320x180\"\n\
             [[source]]\nid = \"clip\"\nrole = \"slides\"\n{source}\n\
             [relay]\nlisten = \"0.0.0.0:8554\"\n[discovery]\nannounce = true\n"
        );
        Room::new(&venue).inside(machine).start()
    };
    let numbers = format!("kind = \"file\"\npath = \"{}\"", film.display());
    let _first = engine(&one, "Amphi A", &numbers);
    let room = Room::new("name = \"Nowhere\"\n");
    let screen = Panel::open(&room, Look::screen(&[]));
    let found = screen.wall().wait_number(seconds(12));
    println!("the only room is on the glass after {found:?}");

    // Another one opens: whoever wants it asks for it.
    let _second = engine(&two, "Amphi B", "kind = \"test\"\nsize = \"320x180\"");
    wait_until(seconds(15), "both rooms are announced", || {
        let rooms = room.regie(&["rooms"]).out;
        rooms.contains("Amphi A") && rooms.contains("Amphi B")
    });
    screen.key("r");
    screen.label("Which room?").wait_there();
    screen.label("Amphi B").wait_there();
    screen.key("Down");
    screen.key("Return");
    let wall = screen.wall();
    wait_until(seconds(8), "the other room", || {
        wall.number().is_none() && !wall.colour(0.3, 0.1).is_like(GROUND)
    });
    assert_eq!(screen.complaints(), [""; 0]);
    drop(screen);

    // It is remembered, and taken by itself.
    let screen = Panel::open(&room, Look::screen(&[]));
    screen.label("Which room?").wait_there();
    let wall = screen.wall();
    wait_until(seconds(20), "the room of the last time", || {
        wall.number().is_none() && !wall.colour(0.3, 0.1).is_like(GROUND)
    });
}
