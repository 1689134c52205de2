//! How a laptop gets in: the addresses of this machine that laptops can reach, and the join card for
//! whoever brings one. Pure but for [`address::of_this_machine`], which asks the system.

pub mod address;
mod html;
mod route;
mod text;

use qrcode::QrCode;
use qrcode::render::{svg, unicode};

use crate::model::Invitation;
use crate::tongue::Tongue;

use route::Routes;

/// What goes on paper or into a terminal, in one language.
#[derive(Debug)]
pub struct Card<'a> {
    invitation: &'a Invitation,
    routes: Routes,
    tongue: Tongue,
}

impl<'a> Card<'a> {
    /// The card of this invitation.
    pub fn new(invitation: &'a Invitation, tongue: Tongue) -> Self {
        Self {
            routes: Routes::of(invitation),
            invitation,
            tongue,
        }
    }

    /// For a terminal; `coloured`: with its colours set, so that a camera reads the code whatever they
    /// are.
    pub fn text(&self, coloured: bool) -> String {
        text::write(self, coloured)
    }

    /// A page to be printed: one file that loads nothing.
    pub fn html(&self) -> String {
        html::write(self)
    }

    /// Whom it is for.
    fn title(&self) -> String {
        if self.invitation.guests > 0 {
            self.tongue.tr("Guests").to_owned()
        } else {
            self.invitation.label.clone()
        }
    }

    /// What to know beside the addresses, in sentences.
    fn notes(&self) -> Vec<String> {
        let tr = |text| self.tongue.tr(text).to_owned();
        let mut notes = Vec::new();
        let guests = u64::from(self.invitation.guests);
        if guests > 0 {
            notes.push(self.tongue.trn(
                "Any laptop may use this; there is room for {count} at a time. Each becomes a source \
                 of its own.",
                "Any laptop may use this; there is room for {count} at a time. Each becomes a source \
                 of its own.",
                guests,
            ));
        } else {
            notes.push(tr(
                "One laptop at a time: the first has the place, until it stops or the operator \
                 releases it.",
            ));
        }
        if self.invitation.key.is_some() {
            notes.push(tr(
                "The key is in the addresses: keep this card where only speakers see it.",
            ));
        } else {
            notes.push(tr("There is no key: whoever is on the network may push."));
        }
        if self.routes.srt_lacks_key {
            notes.push(tr(
                "Not by SRT: that wants a key of 10 to 79 letters, digits, - . _ and ~.",
            ));
        }
        if self.routes.is_local {
            notes.push(tr(
                "This machine has no address that laptops can reach: check its network, and where \
                 [relay] and [ingest] listen.",
            ));
        }
        notes
    }

    /// What OBS asks for in its settings, and what is to be answered.
    fn obs(&self) -> Option<[(&str, String); 3]> {
        let obs = self.routes.obs.as_ref()?;
        let empty = || self.tongue.tr("(leave empty)").to_owned();
        Some([
            // As OBS itself says it.
            (
                self.tongue.tr("Service"),
                self.tongue.tr("Custom…").to_owned(),
            ),
            (self.tongue.tr("Server"), obs.server.clone()),
            (
                self.tongue.tr("Stream Key"),
                obs.key.clone().unwrap_or_else(empty),
            ),
        ])
    }

    /// The best address as a code; none where there is no address, or it is too long.
    fn code(&self) -> Option<QrCode> {
        let best = self.routes.best()?;
        QrCode::with_error_correction_level(best, qrcode::EcLevel::M).ok()
    }

    /// The code in half blocks: what is light is drawn, as terminals are dark.
    fn code_in_blocks(&self) -> Option<String> {
        use unicode::Dense1x2;
        let code = self.code()?;
        let mut picture = code.render::<Dense1x2>();
        picture
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark);
        Some(picture.build())
    }

    /// The code as a drawing, an element to be put into a page.
    fn code_in_svg(&self) -> Option<String> {
        let code = self.code()?;
        let drawing = code.render::<svg::Color<'_>>().build();
        // An XML declaration has no place within a page.
        let start = drawing.find("<svg")?;
        Some(drawing[start..].to_owned())
    }
}

#[cfg(test)]
mod tests;
