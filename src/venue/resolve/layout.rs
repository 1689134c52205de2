//! `[[layout]]`: slots that lie inside the frame and can be seen, and roles that somebody plays.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FrameSize;
use super::super::reader::Section;
use super::{ornament, refuse_twins, source, take};
use crate::model::id::ID_RULE;
use crate::model::layout::DEFAULT_BACKGROUND;
use crate::model::{Fit, Layout, LayoutId, Rect, RoleId, Slot};

const FITS: [(&str, Fit); 3] = [
    ("contain", Fit::Contain),
    ("cover", Fit::Cover),
    ("stretch", Fit::Stretch),
];

/// Thirds and the like, written with six digits, may add up to a little more than the frame.
const TOLERANCE: f64 = 1e-6;

const SLOTS: &str = "a list as [ { role = \"slides\", x = 0, y = 0, width = 1, height = 1 } ]";

/// The layout that is always there: no slot at all, for the time before and after.
const SLATE: &str = "slate";

/// A layout as far as it could be read, for the checks that look at several.
struct Read<'a> {
    section: Section<'a>,
    id: Option<LayoutId>,
    slots: Vec<ReadSlot<'a>>,
    config: Option<Layout>,
}

struct ReadSlot<'a> {
    section: Section<'a>,
    role: Option<RoleId>,
    config: Option<Slot>,
}

/// The file's layouts, or the built-in ones. A file that has layouts but no `slate` gets the
/// built-in one at the end: there must always be a way to show nothing.
pub fn layouts(root: &Section<'_>, size: FrameSize, sources: &[source::Read<'_>]) -> Vec<Layout> {
    let sections = root
        .sections("layout", "layout", "sections headed [[layout]]")
        .unwrap_or_default();
    if sections.is_empty() {
        let layouts = Layout::built_in();
        let slots = layouts.iter().flat_map(|layout| &layout.slots);
        warn_of_idle_roles(&slots.map(|slot| slot.role.clone()).collect(), sources);
        return layouts;
    }
    let layouts: Vec<Read<'_>> = sections
        .into_iter()
        .map(|section| layout(section, size))
        .collect();
    refuse_twins(
        "layout",
        layouts
            .iter()
            .filter_map(|read| Some((&read.section, read.id.as_ref()?.to_string()))),
    );
    let used = refuse_lonely_roles(&layouts, sources);
    warn_of_idle_roles(&used, sources);

    let mut layouts: Vec<Layout> = layouts.into_iter().filter_map(|read| read.config).collect();
    if layouts.iter().all(|layout| layout.id.as_str() != SLATE) {
        let mut built_in = Layout::built_in();
        built_in.retain(|layout| layout.id.as_str() == SLATE);
        layouts.append(&mut built_in);
    }
    layouts
}

fn layout<'a>(section: Section<'a>, size: FrameSize) -> Read<'a> {
    let id: Option<LayoutId> = section.required("id", ID_RULE, take::id);
    let label = section.optional("label", take::LABEL, take::label);
    let background = section.optional("background", take::COLOUR, take::colour);
    section.required("slots", SLOTS, |_| Ok(()));
    let slots: Vec<ReadSlot<'a>> = section
        .sections("slots", "slot", SLOTS)
        .unwrap_or_default()
        .into_iter()
        .map(|section| slot(section, size))
        .collect();
    section.finish(|_| None);
    let config = id.clone().map(|id| Layout {
        label: label.unwrap_or_else(|| id.to_string()),
        id,
        background: background.unwrap_or(DEFAULT_BACKGROUND),
        slots: slots
            .iter()
            .filter_map(|slot| slot.config.clone())
            .collect(),
    });
    Read {
        section,
        id,
        slots,
        config,
    }
}

fn slot<'a>(section: Section<'a>, size: FrameSize) -> ReadSlot<'a> {
    let role: Option<RoleId> = section.required("role", ID_RULE, take::id);
    let (x, width) = span(&section, "x", "width", size.width);
    let (y, height) = span(&section, "y", "height", size.height);
    let fit = section.optional("fit", "contain, cover, stretch", |value| {
        take::word(value, &FITS)
    });
    let border = ornament::border(&section, width, height, size);
    let crop = ornament::crop(&section);
    let label = ornament::label(&section);
    section.finish(|_| None);
    let config = role.clone().map(|role| Slot {
        role,
        rect: Rect {
            x,
            y,
            width,
            height,
        },
        fit: fit.unwrap_or_default(),
        border,
        crop,
        label,
    });
    ReadSlot {
        section,
        role,
        config,
    }
}

/// Start and length of a slot in one direction, as fractions of `pixels`. Without a start it begins
/// at the edge of the frame, without a length it reaches to the other edge.
fn span(
    section: &Section<'_>,
    start_key: &'static str,
    length_key: &'static str,
    pixels: u32,
) -> (f64, f64) {
    // Two pixels are the smallest picture there is: chroma has half the size.
    let least = 2.0 / f64::from(pixels);
    let too_small = |length: f64| length < least - TOLERANCE / f64::from(pixels);
    let start = section.optional(start_key, "a number from 0 up to less than 1", |value| {
        let start = take::number(value)?;
        if !(0.0..1.0).contains(&start) {
            return Err("is outside the frame".to_owned());
        }
        if too_small(1.0 - start) {
            return Err(format!("is less than 2 of {pixels} pixels from the edge"));
        }
        Ok(start)
    });
    let length = section.optional(length_key, "a number above 0, at most 1", |value| {
        let length = take::number(value)?;
        if length <= 0.0 {
            return Err("leaves nothing to see".to_owned());
        }
        if length > 1.0 + TOLERANCE {
            return Err("is larger than the frame".to_owned());
        }
        if too_small(length) {
            return Err(format!("is less than 2 of {pixels} pixels"));
        }
        Ok(length)
    });
    if start.is_none() && section.has(start_key) {
        // Complained about; whether the length fits nobody can say.
        return (0.0, 1.0);
    }
    let start = start.unwrap_or(0.0);
    let room = 1.0 - start;
    let length = length.unwrap_or(room);
    if length > room + TOLERANCE {
        section.complain(
            length_key,
            &format!("reaches outside the frame from {start_key} = {start}"),
            &format!("a number above 0, at most {}", short(room)),
        );
    }
    (start, length.min(room))
}

/// Rounded down to what people write, so that it is accepted when it is copied.
fn short(fraction: f64) -> String {
    let rounded = ((fraction + TOLERANCE / 10.0) * 1e6).floor() / 1e6;
    rounded.to_string()
}

/// Complains about every role that is named once and played by nobody: most likely a slip of the
/// pen. The roles that somebody names are returned.
fn refuse_lonely_roles(layouts: &[Read<'_>], sources: &[source::Read<'_>]) -> BTreeSet<RoleId> {
    let mut uses: BTreeMap<&RoleId, usize> = BTreeMap::new();
    for layout in layouts {
        let roles: BTreeSet<&RoleId> = layout
            .slots
            .iter()
            .filter_map(|s| s.role.as_ref())
            .collect();
        for role in roles {
            *uses.entry(role).or_default() += 1;
        }
    }
    let played: BTreeSet<&RoleId> = sources.iter().filter_map(|s| s.role.as_ref()).collect();
    let known = |role: &RoleId| played.contains(role) || uses.get(role).is_some_and(|n| *n > 1);
    let all: BTreeSet<&RoleId> = uses.keys().chain(&played).copied().collect();
    let names: Vec<&str> = all
        .into_iter()
        .filter(|role| known(role))
        .map(RoleId::as_str)
        .collect();
    let accepted = if names.is_empty() {
        "a role that a source or another layout names".to_owned()
    } else {
        format!("{}, or any that a source has", names.join(", "))
    };
    for slot in layouts.iter().flat_map(|layout| &layout.slots) {
        if slot.role.as_ref().is_some_and(|role| !known(role)) {
            slot.section.complain(
                "role",
                "is a role that no source and no other layout knows",
                &accepted,
            );
        }
    }
    uses.into_keys().cloned().collect()
}

/// A source whose role no layout shows is never seen until somebody gives it another one.
fn warn_of_idle_roles(used: &BTreeSet<RoleId>, sources: &[source::Read<'_>]) {
    for source::Read { section, role, .. } in sources {
        if let Some(role) = role.as_ref().filter(|role| !used.contains(role)) {
            section.warn("role", &format!("no layout has a slot for role \"{role}\""));
        }
    }
}
