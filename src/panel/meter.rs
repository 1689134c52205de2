//! A meter of one sound: peaks of left and right, momentary loudness as a narrow bar, short-term
//! loudness as a line across it, and the zone round -23 LUFS that broadcasters aim at (EBU R128).

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{glib, graphene};

use crate::monitor::Levels;

use super::paint::{colour, filled, text};

/// Half the width of the zone round the target, in LU: what R128 allows live programmes.
const TOLERANCE: f32 = 1.0;
/// The target of EBU R128, in LUFS.
pub const TARGET: f32 = -23.0;

mod imp {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Debug, Default)]
    pub struct Meter {
        pub levels: RefCell<Option<Levels>>,
        /// What was drawn last, in pixels: a meter that would look the same is left alone.
        pub drawn: RefCell<[i32; 4]>,
        /// A small meter has no scale and no loudness.
        pub plain: Cell<bool>,
        /// Its scale has numbers, not only ticks.
        pub numbers: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Meter {
        const NAME: &'static str = "RegieMeter";
        type Type = super::Meter;
        type ParentType = gtk::Widget;

        fn class_init(class: &mut Self::Class) {
            class.set_css_name("meter");
            class.set_accessible_role(gtk::AccessibleRole::Meter);
        }
    }

    impl ObjectImpl for Meter {}

    impl WidgetImpl for Meter {
        fn measure(&self, orientation: gtk::Orientation, _: i32) -> (i32, i32, i32, i32) {
            match orientation {
                gtk::Orientation::Horizontal => (6, 6, -1, -1),
                _ => (24, 24, -1, -1),
            }
        }

        fn snapshot(&self, snapshot: &gtk::Snapshot) {
            if self.plain.get() {
                self.draw_plain(snapshot);
            } else {
                self.draw_full(snapshot);
            }
        }
    }

    impl Meter {
        fn draw_plain(&self, snapshot: &gtk::Snapshot) {
            let widget = self.obj();
            let (width, height) = (widget.width() as f32, widget.height() as f32);
            let levels = self.levels.borrow();
            for channel in 0..2 {
                let x = channel as f32 * (width + 1.0) / 2.0;
                let bar = graphene::Rect::new(x, 0.0, (width - 1.0) / 2.0, height);
                let peak = levels.as_ref().map(|levels| levels.peak_db[channel]);
                self.draw_peak(snapshot, &bar, peak);
            }
        }

        fn draw_full(&self, snapshot: &gtk::Snapshot) {
            let widget = self.obj();
            let (width, height) = (widget.width() as f32, widget.height() as f32);
            let levels = self.levels.borrow();
            let faint = colour(&*widget, "meter_text");
            let numbers = if self.numbers.get() {
                (width * 0.3).max(14.0)
            } else {
                4.0
            };
            for db in NUMBERS {
                let y = at(height, db);
                if self.numbers.get() {
                    let y = y.clamp(5.0, height - 5.0);
                    text(
                        &*widget,
                        snapshot,
                        0.0,
                        y,
                        &format!("{:.0}", db.abs()),
                        &faint,
                    );
                } else {
                    let tick = graphene::Rect::new(0.0, y - 0.5, numbers, 1.0);
                    snapshot.append_color(&faint, &tick);
                }
            }
            // Two bars of three units, a gap, two units of loudness.
            let unit = (width - numbers - 2.0) / 9.0;
            let bar = |place: f32, share: f32| {
                graphene::Rect::new(numbers + 2.0 + place * unit, 0.0, share * unit, height)
            };
            for (channel, place) in [0.0, 3.2].into_iter().enumerate() {
                let peak = levels.as_ref().map(|levels| levels.peak_db[channel]);
                self.draw_peak(snapshot, &bar(place, 3.0), peak);
            }
            self.draw_loudness(snapshot, &bar(6.8, 2.2), levels.as_ref());
        }

        fn draw_peak(&self, snapshot: &gtk::Snapshot, bar: &graphene::Rect, peak: Option<f32>) {
            let widget = self.obj();
            filled(snapshot, bar, 1.5, &colour(&*widget, "meter_trough"));
            let Some(peak) = peak.filter(|peak| *peak > LEAST) else {
                return;
            };
            let parts = [
                (LEAST, -18.0, "meter_low"),
                (-18.0, -6.0, "meter_good"),
                (-6.0, -1.0, "meter_hot"),
                (-1.0, 0.0, "meter_over"),
            ];
            for (from, to, name) in parts.into_iter().filter(|part| peak > part.0) {
                let (low, high) = (at(bar.height(), from), at(bar.height(), peak.min(to)));
                let part = graphene::Rect::new(bar.x(), high, bar.width(), low - high);
                snapshot.append_color(&colour(&*widget, name), &part);
            }
        }

        fn draw_loudness(
            &self,
            snapshot: &gtk::Snapshot,
            bar: &graphene::Rect,
            levels: Option<&Levels>,
        ) {
            let widget = self.obj();
            let height = bar.height();
            filled(snapshot, bar, 1.5, &colour(&*widget, "meter_trough"));
            let (top, bottom) = (
                at(height, TARGET + TOLERANCE),
                at(height, TARGET - TOLERANCE),
            );
            let zone = graphene::Rect::new(bar.x(), top, bar.width(), bottom - top);
            snapshot.append_color(&colour(&*widget, "meter_zone"), &zone);
            if let Some(levels) = levels {
                if levels.momentary > LEAST {
                    let high = at(height, levels.momentary);
                    let inner = bar.inset_r(bar.width() / 4.0, 0.0);
                    let part = graphene::Rect::new(inner.x(), high, inner.width(), height - high);
                    snapshot.append_color(&colour(&*widget, "meter_loudness"), &part);
                }
                if levels.short_term > LEAST {
                    let y = at(height, levels.short_term);
                    let line = graphene::Rect::new(bar.x(), y - 1.0, bar.width(), 2.0);
                    snapshot.append_color(&colour(&*widget, "meter_line"), &line);
                }
            }
            for y in [top, bottom] {
                let edge = graphene::Rect::new(bar.x(), y - 0.5, bar.width(), 1.0);
                snapshot.append_color(&colour(&*widget, "meter_zone_edge"), &edge);
            }
        }
    }
}

glib::wrapper! {
    /// A meter of one sound.
    pub struct Meter(ObjectSubclass<imp::Meter>)
        @extends gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

/// What the scale marks, in dB.
const NUMBERS: [f32; 8] = [0.0, -6.0, -12.0, -18.0, -23.0, -30.0, -40.0, -50.0];
/// Lower levels look like silence, in dB.
const LEAST: f32 = -60.0;

/// Share of a meter's height that a level reaches: half of it is for the upper 20 dB.
fn share(db: f32) -> f32 {
    let points = [(-60.0, 0.0), (-40.0, 0.16), (-20.0, 0.52), (0.0, 1.0)];
    if db.is_nan() || db <= points[0].0 {
        return 0.0;
    }
    let pair = points.windows(2).find(|pair| db <= pair[1].0);
    pair.map_or(1.0, |pair| {
        let ((low, from), (high, to)) = (pair[0], pair[1]);
        from + (to - from) * (db - low) / (high - low)
    })
}

/// Distance of a level from the top of a meter of this height.
fn at(height: f32, db: f32) -> f32 {
    height * (1.0 - share(db))
}

impl Meter {
    /// Has only two bars: for a tile.
    pub fn set_plain(&self) {
        self.imp().plain.set(true);
    }

    /// Has a scale with numbers.
    pub fn set_numbers(&self) {
        self.imp().numbers.set(true);
    }

    /// Shows these levels; `None`: nothing is known.
    pub fn show_levels(&self, levels: Option<&Levels>) {
        let imp = self.imp();
        let height = self.height() as f32;
        let pixel = |db: f32| at(height, db) as i32;
        let looks = levels.map_or([-1; 4], |levels| {
            [
                pixel(levels.peak_db[0]),
                pixel(levels.peak_db[1]),
                pixel(levels.momentary),
                pixel(levels.short_term),
            ]
        });
        imp.levels.replace(levels.cloned());
        if imp.drawn.replace(looks) != looks {
            self.queue_draw();
        }
    }

    /// Tells a screen reader the level: seldom, it would talk of nothing else.
    pub fn tell(&self) {
        let peak = (self.imp().levels.borrow().as_ref())
            .map_or(LEAST, |levels| levels.peak_db[0].max(levels.peak_db[1]));
        self.update_property(&[
            gtk::accessible::Property::ValueMin(f64::from(LEAST)),
            gtk::accessible::Property::ValueMax(0.0),
            gtk::accessible::Property::ValueNow(f64::from(peak.clamp(LEAST, 0.0))),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_empty_at_silence_full_at_full_scale_and_never_falls_as_it_gets_louder() {
        assert_eq!(share(f32::NEG_INFINITY), 0.0);
        assert_eq!(share(f32::NAN), 0.0);
        assert_eq!(share(-60.0), 0.0);
        assert_eq!(share(0.0), 1.0);
        assert_eq!(share(3.0), 1.0);
        let all: Vec<f32> = (-70..=3).map(|db| share(db as f32)).collect();
        assert!(all.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
