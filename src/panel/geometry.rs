//! Where everything in the window lies, from its size alone: states change, places do not. Pure.
//!
//! Lengths are GTK's pixels (a screen of scale 2 has two of its own for each).

/// A place in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

/// All places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// The venue, the ON AIR mark, the outputs, the clock.
    pub header: Place,
    /// The preview with its caption.
    pub preview: Place,
    /// Take, mix, slate and what goes with them.
    pub controls: Place,
    /// The programme with its caption.
    pub programme: Place,
    /// One button for each layout.
    pub layouts: Place,
    /// Who plays which role.
    pub roles: Place,
    /// One tile for each source.
    pub sources: Place,
    /// The strips of the sound.
    pub sound: Place,
    /// The fault bar.
    pub faults: Place,
}

/// What besides the window's size decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Content {
    /// Strips of sound, without the mix.
    pub strips: usize,
    /// Width of the programme's picture divided by its height.
    pub aspect: f64,
}

/// The size of the text, in pixels: everything grows with the window, and stays readable in a
/// small one.
pub fn text_size(width: i32, height: i32) -> f64 {
    let scale = (f64::from(width) / 1920.0).min(f64::from(height) / 1080.0);
    (scale * 15.0).clamp(11.0, 34.0)
}

/// Height of a monitor's caption, in text sizes.
const CAPTION: f64 = 1.9;
/// Width of a monitor's border, which is its tally, in text sizes.
const BORDER: f64 = 0.22;
/// What the controls under the preview need in height, in text sizes.
const CONTROLS: f64 = 15.2;

/// Where everything lies in a window of this size with text of `em` pixels.
pub fn places(width: i32, height: i32, em: f64, content: Content) -> Places {
    let px = |ems: f64| (ems * em).round() as i32;
    let gap = px(0.6);
    let inner = width - 2 * gap;
    let header = Place {
        x: gap,
        y: gap,
        width: inner,
        height: px(3.1),
    };
    let faults_height = px(3.2);
    let faults = Place {
        x: gap,
        y: height - gap - faults_height,
        width: inner,
        height: faults_height,
    };
    let top = header.y + header.height + gap;
    let bottom = faults.y - gap;
    let wanted = px(5.6) * content.strips.max(2) as i32 + px(8.6);
    let sound_width = wanted.min(width * 3 / 10);
    let sound = Place {
        x: width - gap - sound_width,
        y: top,
        width: sound_width,
        height: bottom - top,
    };
    let left = sound.x - gap - gap;
    let caption = px(CAPTION);
    let border = 2 * px(BORDER);
    let height_of =
        |width: i32| (f64::from(width - border) / content.aspect).round() as i32 + border + caption;
    let roles_height = px(2.4);
    let least_layouts = px(5.2);
    let least_tiles = px(11.6);
    let rest = bottom - top - 3 * gap - roles_height;
    // The programme takes what height is left, or what width beside a preview of a useful size.
    let by_height = f64::from(rest - least_layouts - least_tiles - caption - border);
    let by_height = (by_height * content.aspect) as i32 + border;
    let programme_width = by_height.min(left * 7 / 10).min(left - gap - px(20.0));
    let programme_height = height_of(programme_width);
    let programme = Place {
        x: gap + left - programme_width,
        y: top,
        width: programme_width,
        height: programme_height,
    };
    let preview_width = left - gap - programme_width;
    // In a low window it gives way to what is pressed.
    let beside_controls = programme_height - gap - px(CONTROLS);
    let preview = Place {
        x: gap,
        y: top,
        width: preview_width,
        height: height_of(preview_width).min(beside_controls.max(2 * caption)),
    };
    let controls_top = preview.y + preview.height + gap;
    let controls = Place {
        x: gap,
        y: controls_top,
        width: preview_width,
        height: programme.y + programme.height - controls_top,
    };
    // What height the pictures could not use goes to the tiles, then to the buttons.
    let spare = rest - programme_height - least_layouts - least_tiles;
    let layouts = Place {
        x: gap,
        y: programme.y + programme.height + gap,
        width: left,
        height: least_layouts + spare / 4,
    };
    let roles = Place {
        x: gap,
        y: layouts.y + layouts.height + gap,
        width: left,
        height: roles_height,
    };
    let sources_top = roles.y + roles.height + gap;
    let sources = Place {
        x: gap,
        y: sources_top,
        width: left,
        height: bottom - sources_top,
    };
    Places {
        header,
        preview,
        controls,
        programme,
        layouts,
        roles,
        sources,
        sound,
        faults,
    }
}

/// The width that each of `count` equal children of a row gets: as much as there is, between
/// `least` and `most`.
pub fn row_width(available: i32, count: usize, gap: i32, least: i32, most: i32) -> i32 {
    let count = count.max(1) as i32;
    ((available - gap * (count - 1)) / count).clamp(least, most.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: Content = Content {
        strips: 4,
        aspect: 16.0 / 9.0,
    };
    const SIZES: [(i32, i32); 10] = [
        (1024, 576),
        (1024, 600),
        (1024, 768),
        (1280, 720),
        (1366, 768),
        (1280, 1024),
        (1920, 1080),
        (1920, 1200),
        (2560, 1440),
        (3840, 2160),
    ];

    fn all(p: &Places) -> [(&'static str, Place); 9] {
        [
            ("header", p.header),
            ("preview", p.preview),
            ("controls", p.controls),
            ("programme", p.programme),
            ("layouts", p.layouts),
            ("roles", p.roles),
            ("sources", p.sources),
            ("sound", p.sound),
            ("faults", p.faults),
        ]
    }

    #[test]
    fn nothing_overlaps_and_nothing_leaves_the_window() {
        for (width, height) in SIZES {
            for strips in [0, 1, 4, 8, 20] {
                let content = Content { strips, ..CONTENT };
                let places = all(&places(width, height, text_size(width, height), content));
                for (i, (name, a)) in places.iter().enumerate() {
                    let inside =
                        a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height;
                    assert!(
                        inside && a.width > 0 && a.height > 0,
                        "{name} {a:?} in {width}x{height}"
                    );
                    for (other, b) in &places[i + 1..] {
                        let apart = a.x + a.width <= b.x
                            || b.x + b.width <= a.x
                            || a.y + a.height <= b.y
                            || b.y + b.height <= a.y;
                        assert!(apart, "{name} {a:?} on {other} {b:?} in {width}x{height}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_programme_is_the_largest_picture_and_controls_have_room() {
        for (width, height) in SIZES {
            let em = text_size(width, height);
            let p = places(width, height, em, CONTENT);
            assert!(
                p.programme.width > p.preview.width * 5 / 4,
                "{width}x{height}"
            );
            assert!(
                f64::from(p.controls.height) >= 15.0 * em,
                "{width}x{height}: {:?}",
                p.controls
            );
            assert!(f64::from(p.controls.width) >= 20.0 * em, "{width}x{height}");
            assert!(
                f64::from(p.programme.width) >= 0.38 * f64::from(width),
                "{width}x{height}"
            );
        }
    }

    #[test]
    fn no_band_stays_empty() {
        for (width, height) in SIZES {
            let p = places(width, height, text_size(width, height), CONTENT);
            let used: i64 = all(&p)
                .iter()
                .map(|(_, a)| i64::from(a.width) * i64::from(a.height))
                .sum();
            let share = used as f64 / (f64::from(width) * f64::from(height));
            // Gaps do not shrink with text that is as small as it may be.
            let least = if height < 720 { 0.9 } else { 0.92 };
            assert!(share > least, "{width}x{height}: {share}");
        }
    }

    #[test]
    fn a_row_shares_its_width() {
        assert_eq!(row_width(1000, 5, 10, 100, 400), 192);
        assert_eq!(row_width(1000, 2, 10, 100, 400), 400);
        assert_eq!(
            row_width(1000, 20, 10, 100, 400),
            100,
            "then the row scrolls"
        );
    }
}
