//! A source's tile, and over it the button that hands the source over. Beside the tile and not within
//! it: the tile is a button itself.

use gtk::prelude::*;

use crate::model::SourceId;
use crate::tongue::Tongue;

use super::action::{Act, Action};
use super::show::{set_class, set_name, set_tooltip};
use super::tile::Tile;
use super::truth::Source;

/// The sign for "out".
const EJECT: &str = "⏏";

/// The two of them.
#[derive(Debug)]
pub struct Seat {
    both: gtk::Overlay,
    tile: Tile,
    release: gtk::Button,
}

impl Seat {
    /// Those of the source of that number, from 0.
    pub fn new(number: usize, id: &SourceId, act: &Act) -> Self {
        let tile = Tile::new(number);
        let (source, chosen) = (id.clone(), act.clone());
        tile.connect_clicked(move |_| chosen.call(Action::Source(source.clone())));
        let release = gtk::Button::with_label(EJECT);
        release.set_halign(gtk::Align::End);
        release.set_valign(gtk::Align::Start);
        release.add_css_class("release");
        let (source, act) = (id.clone(), act.clone());
        release.connect_clicked(move |_| act.call(Action::Release(source.clone())));
        let both = gtk::Overlay::builder().child(&tile).build();
        both.add_overlay(&release);
        Self {
            both,
            tile,
            release,
        }
    }

    /// What has a place in the row.
    pub fn widget(&self) -> &gtk::Overlay {
        &self.both
    }

    /// The tile alone.
    pub fn tile(&self) -> &Tile {
        &self.tile
    }

    /// Shows how the source is.
    pub fn show(&self, tongue: Tongue, source: &Source) {
        self.tile.show(tongue, source);
        let name = tongue
            .tr("Release {source}")
            .replace("{source}", &source.label);
        set_name(&self.release, &name);
        set_tooltip(&self.release, &name);
        self.release.set_visible(source.is_pushed);
        // Its place is kept, so that nothing moves; the tile below is pressed then.
        let wanted = !source.publisher.is_empty();
        self.release.set_sensitive(wanted);
        self.release.set_can_target(wanted);
        set_class(&self.release, "unwanted", !wanted);
    }
}
