//! What the engine thread does at the front door: says who publishes, sends a publisher away, tells
//! how to join.

use crate::join;
use crate::model::join::{GUEST, ShownKey};
use crate::model::status::PublisherStatus;
use crate::model::{Entrance, Invitation, Refused, Reply, SourceId};
use crate::venue::SourceKind;

use super::actor::{Actor, door_fault};
use super::note::Protocol;
use super::opening::setting_of;
use super::source::{Source, SourceState};

impl Actor {
    /// Sends a source's publisher away.
    pub(super) fn release(&self, id: &SourceId) -> Reply {
        let source = match self.pushed(id) {
            Ok(source) => source,
            Err(refused) => return Reply::Refused(refused),
        };
        match self.doors.release(id) {
            Some(publisher) => {
                tracing::info!(
                    "{}: released, {} by {} is sent away",
                    source.config.label,
                    publisher.from,
                    publisher.protocol.name()
                );
                Reply::Done
            }
            None => Reply::Refused(Refused::new(
                "no-publisher",
                format!("nobody pushes to \"{id}\"; there is nothing to release"),
            )),
        }
    }

    /// How laptops get to a source, or guests to theirs.
    pub(super) fn invitation(&self, id: &SourceId) -> Reply {
        let guests = self.venue.ingest.guests.as_ref();
        let (label, count, key) = if id.as_str() == GUEST && guests.is_some() {
            let (count, key) = guests.map_or((0, None), |own| (own.count, Some(own.key.clone())));
            (String::new(), count, key)
        } else {
            match self.pushed(id) {
                Ok(source) if source.config.guest.is_some() => {
                    return Reply::Refused(Refused::new(
                        "not-pushed",
                        "guests are given their places; accepted: the card for all guests",
                    ));
                }
                Ok(source) => (source.config.label.clone(), 0, key_of(source)),
                Err(_) if id.as_str() == GUEST => {
                    return Reply::Refused(Refused::new(
                        "no-guests",
                        "this venue lets no guests in; accepted: a venue file with guests and \
                         guest_key_file in [ingest]",
                    ));
                }
                Err(refused) => return Reply::Refused(refused),
            }
        };
        let invitation = Invitation {
            venue: self.venue.name.clone(),
            language: (self.venue.language).map(|tongue| tongue.code().to_owned()),
            source: id.clone(),
            label,
            guests: count,
            key: key.map(|key| ShownKey(key.reveal().to_owned())),
            entrances: self.entrances(),
        };
        Reply::Join {
            invitation: Box::new(invitation),
        }
    }

    /// The doors, the one that most laptops know first.
    fn entrances(&self) -> Vec<Entrance> {
        let (ingest, secure) = (&self.venue.ingest, &self.venue.relay.secure);
        let doors = [
            (Protocol::Rtmp, ingest.rtmp),
            (Protocol::Rtmps, ingest.rtmps.as_ref().map(|tls| tls.listen)),
            (Protocol::Srt, ingest.srt),
            (Protocol::Rtsp, Some(self.venue.relay.listen)),
            (Protocol::Rtsps, secure.as_ref().map(|tls| tls.listen)),
        ];
        let own = join::address::of_this_machine();
        let doors = doors.into_iter();
        let doors = doors.filter_map(|(protocol, listen)| Some((protocol, listen?)));
        doors
            .filter(|(protocol, _)| !self.is_shut(*protocol))
            .map(|(protocol, listen)| Entrance {
                protocol: protocol.scheme().to_owned(),
                port: listen.port(),
                hosts: join::address::leading_to(listen.ip(), &own)
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            })
            .collect()
    }

    /// Whether a door cannot listen, and nobody gets in there.
    fn is_shut(&self, door: Protocol) -> bool {
        let (scope, code, _) = door_fault(door);
        let mut faults = self.ledger.all().iter();
        faults.any(|fault| fault.is_same(&scope, code))
    }

    /// The source, where laptops push to it.
    fn pushed(&self, id: &SourceId) -> Result<&Source, Refused> {
        let source = self.sources.iter().find(|source| source.id() == id);
        let known = || {
            let pushed = self.sources.iter().filter(|source| is_pushed(source));
            pushed.map(|source| source.id())
        };
        match source {
            Some(source) if is_pushed(source) => Ok(source),
            Some(source) => Err(Refused::new(
                "not-pushed",
                format!(
                    "\"{id}\" is of kind {}: nobody pushes to it",
                    source.config.kind.name()
                ),
            )),
            None => Err(Refused::unknown("source", id, known())),
        }
    }

    /// Who publishes to a source.
    pub(super) fn publisher_status(&self, source: &Source) -> Option<PublisherStatus> {
        let facts = self.doors.publisher(source.id())?;
        Some(PublisherStatus {
            protocol: facts.protocol.scheme().to_owned(),
            address: facts.from.to_string(),
            since: facts.since,
        })
    }

    /// Whether it is a guest's place that nobody has and nobody waits for.
    pub(super) fn is_hidden(&self, source: &Source) -> bool {
        let idle = matches!(source.state(), SourceState::Idle { .. });
        let plays = || self.show.roles.values().any(|id| id == source.id());
        source.config.guest.is_some() && idle && !plays()
    }

    /// Somebody has come to a place. A guest that is another one than the last is heard as guests
    /// are, and not as was set for the one before. (Of the time before a restart nobody knows.)
    pub(super) fn welcome(&mut self, id: &SourceId) {
        let mut all = self.sources.iter().map(|source| &source.config);
        let config = all.find(|own| own.id == *id && own.guest.is_some());
        let (Some(config), Some(facts)) = (config, self.doors.publisher(id)) else {
            return;
        };
        let usual = setting_of(config);
        let last = self.guests.insert(id.clone(), facts.from);
        if last.is_none_or(|last| last == facts.from) {
            return;
        }
        if self.show.sources.insert(id.clone(), usual) != Some(usual) {
            self.tune_sources(None);
            self.memory.keep(&self.show, None);
        }
    }

    /// Tells the doors who plays a role.
    pub(super) fn note_roles(&self) {
        self.doors
            .note_roles(&self.show.roles.values().cloned().collect());
    }
}

fn is_pushed(source: &Source) -> bool {
    matches!(source.config.kind, SourceKind::Push { .. })
}

fn key_of(source: &Source) -> Option<crate::secret::Secret> {
    match &source.config.kind {
        SourceKind::Push { key } => key.clone(),
        _ => None,
    }
}
