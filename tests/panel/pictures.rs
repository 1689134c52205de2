//! What the window looks like: pictures for people, looked at here for what must be in them. They
//! are kept in `target/screenshots`.

use std::path::Path;
use std::time::Instant;

use crate::common::{Colour, Laptop, Look, Nginx, Panel, Shot, camera, seconds};
use crate::{SOON, Venue};

/// The stylesheet's colours of the tally.
const RED: Colour = Colour(0xFF, 0x4D, 0x4F);
const GREEN: Colour = Colour(0x35, 0xC2, 0x7C);
const AMBER: Colour = Colour(0xF5, 0xA8, 0x3B);

/// What a picture of the panel is looked at for.
struct Scene<'a> {
    panel: &'a Panel,
    name: String,
    words: &'a Words,
}

/// Names in the operator's language.
struct Words {
    code: &'static str,
    programme: &'static str,
    preview: &'static str,
    output: &'static str,
    slate: &'static str,
    slate_for: &'static str,
    back: &'static str,
}

const ENGLISH: Words = Words {
    code: "en",
    programme: "Programme",
    preview: "Preview",
    output: "Output Transcoder",
    slate: "Slate",
    slate_for: "Slate for 15 minutes",
    back: "back in 14:5",
};

const FRENCH: Words = Words {
    code: "fr",
    programme: "Antenne",
    preview: "Préparé",
    output: "Sortie Transcoder",
    slate: "Mire",
    slate_for: "Mire pendant 15 minutes",
    back: "retour dans 14:5",
};

impl Scene<'_> {
    /// Takes pictures until one is as it should be: what is drawn follows what is said.
    #[track_caller]
    fn shoot(&self, is_right: impl Fn(&Shot) -> Result<(), String>) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{}.png", self.name));
        let mut wrong = String::new();
        let begun = Instant::now();
        while begun.elapsed() < SOON {
            match is_right(&self.panel.picture(Some(&file))) {
                Ok(()) => return,
                Err(what) => wrong = what,
            }
        }
        panic!("{}: {wrong}; see {}", self.name, file.display());
    }

    /// The slides are on air, the camera is prepared, and both are so marked.
    fn is_on_air(&self, shot: &Shot) -> Result<(), String> {
        let panel = self.panel;
        let programme = panel.image(self.words.programme).node();
        let preview = panel.image(self.words.preview).node();
        shot.colour_is(&programme, (0.1, 0.6), Colour::SLIDE_RED)?;
        shot.colour_is(&programme, (0.9, 0.9), Colour::SLIDE_WHITE)?;
        shot.colour_is(&programme, (0.9, 0.07), Colour::SLIDE_TITLE)?;
        shot.colour_is(&preview, (0.5, 0.3), Colour::CAMERA_GREEN)?;
        shot.border_is(&programme, RED)?;
        shot.border_is(&preview, GREEN)?;
        let tile = panel.button("Source Laptop").node();
        shot.border_is(&tile, RED)?;
        shot.colour_is(&tile, (0.36, 0.5), Colour::SLIDE_RED)?;
        let tile = panel.button("Source Camera").node();
        shot.border_is(&tile, GREEN)?;
        shot.colour_is(&tile, (0.5, 0.3), Colour::CAMERA_GREEN)
    }
}

#[test]
fn pictures_of_the_panel_show_what_is_so_in_both_languages() {
    for (words, language) in [(&ENGLISH, "en"), (&FRENCH, "fr")] {
        let mut server = Nginx::running();
        let venue = Venue {
            language,
            ..Venue::to(&server.rtmp_url("live", "out"))
        };
        let engine = venue.start();
        engine.ctl(&["preview", "speaker"]).assert_ok();
        let guest = format!("rtsp://127.0.0.1:{}/ingest/guest", venue.relay);
        let panels = [(1280, 720), (1920, 1080)]
            .map(|(width, height)| Panel::open(&engine.room, Look::sized(width, height)));
        let scenes = |what: &str| {
            panels.each_ref().map(|panel| Scene {
                panel,
                name: format!("{what}-{}-{}", words.code, panel.height()),
                words,
            })
        };
        let mut laptop = Laptop::push(&camera(), &guest).tcp();
        for scene in scenes("live") {
            let tile = scene.panel.button("Source Guest");
            tile.wait_there();
            tile.wait(seconds(8), "is live", |tile| {
                tile.description.contains("H.264")
            });
            let output = scene.panel.button(words.output);
            output.wait(seconds(8), "publishes", |own| {
                own.description.contains("Mb")
            });
            scene.shoot(|shot| {
                scene.is_on_air(shot)?;
                shot.colour_is(&tile.node(), (0.5, 0.3), Colour::CAMERA_GREEN)
            });
        }
        panels[0].button(words.slate_for).press();
        for scene in scenes("slate") {
            let slate = scene.panel.button(words.slate);
            slate.wait_description(words.back);
            scene.shoot(|shot| {
                let programme = scene.panel.image(words.programme).node();
                shot.border_is(&programme, AMBER)?;
                shot.colour_is(&programme, (0.1, 0.6), Colour(0x1B, 0x24, 0x33))?;
                // The box of the time left.
                shot.colour_is(&programme, (0.28, 0.84), Colour(0x10, 0x18, 0x28))?;
                shot.colour_is(&slate.node(), (0.05, 0.5), AMBER)
            });
        }
        engine.ctl(&["slate", "off"]).assert_ok();
        laptop.kill();
        for scene in scenes("source-lost") {
            let tile = scene.panel.button("Source Guest");
            tile.wait(seconds(8), "is lost", |tile| {
                !tile.description.contains("H.264")
            });
            scene.shoot(|shot| {
                scene.is_on_air(shot)?;
                let tile = tile.node();
                shot.colour_is(&tile, (0.5, 0.15), Colour::BLACK)?;
                shot.border_is(&tile, AMBER)
            });
        }
        server.kill();
        for scene in scenes("output-failing") {
            let output = scene.panel.button(words.output);
            output.wait(seconds(8), "fails", |own| !own.description.contains("Mb"));
            scene.shoot(|shot| {
                scene.is_on_air(shot)?;
                shot.border_is(&output.node(), AMBER)
            });
        }
    }
}
