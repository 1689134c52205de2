//! Who may do what at the RTSP server, by digest. `/ingest/<id>` of a source with a key: user is the
//! source's id, password its key; of a source without: anybody. All else: the user and the password
//! of the venue's `[relay]`, where it names them; else anybody. Who has shown too many wrong keys is
//! asked to come again later, and its next key is not looked at.

use std::collections::BTreeSet;

use glib::subclass::prelude::*;
use gst_rtsp_server::prelude::*;

use crate::ingest::rtsp::{Doors, INGEST, name_of};
use crate::venue::Guard;

use super::path_of;

/// The field of a token that says whose key was shown.
const OWNER: &str = "owner";
/// What it says for those that may play; no path of an ingest is spelt so.
const PLAYER: &str = "player";

glib::wrapper! {
    /// The server's authenticator.
    pub struct Access(ObjectSubclass<imp::Access>) @extends gst_rtsp_server::RTSPAuth;
}

impl Access {
    /// Knows the keys of all places, and who may play.
    pub fn new(doors: &Doors, players: Option<&Guard>) -> Self {
        let access: Self = glib::Object::new();
        access.set_realm(Some("regie"));
        let mut guarded = BTreeSet::new();
        for (id, key) in doors.registry().places() {
            let Some(key) = key else { continue };
            let owner = format!("{INGEST}{id}");
            access.add_digest(id.as_str(), key.reveal(), &token_of(&owner));
            guarded.insert(owner);
        }
        if let Some(guard) = players {
            access.add_digest(&guard.user, guard.password.reveal(), &token_of(PLAYER));
            guarded.insert(PLAYER.to_owned());
        }
        access.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
        // Set once, here only.
        let _ = access.imp().guarded.set(guarded);
        let _ = access.imp().doors.set(doors.clone());
        access
    }
}

fn token_of(owner: &str) -> gst_rtsp_server::RTSPToken {
    gst_rtsp_server::RTSPToken::builder()
        .field(OWNER, owner)
        .field("transport.client-settings", true)
        .build()
}

/// Whose key the path asks for, if it has one.
fn owner_of(path: &str) -> String {
    match name_of(path) {
        Some(id) => format!("{INGEST}{id}"),
        None => PLAYER.to_owned(),
    }
}

mod imp {
    use std::collections::BTreeSet;
    use std::sync::OnceLock;

    use glib::subclass::prelude::*;
    use gst_rtsp::RTSPHeaderField;
    use gst_rtsp_server::RTSPContext;
    use gst_rtsp_server::prelude::*;
    use gst_rtsp_server::subclass::prelude::*;

    use crate::ingest::RefusePublisher;
    use crate::ingest::rtsp::{Doors, name_of, status_of};

    /// May the client choose the destination of its datagrams? (`GST_RTSP_AUTH_CHECK_…`)
    const CLIENT_SETTINGS: &str = "auth.check.transport.client-settings";

    #[derive(Default)]
    pub struct Access {
        pub(super) guarded: OnceLock<BTreeSet<String>>,
        pub(super) doors: OnceLock<Doors>,
    }

    impl Access {
        /// Whose key the request has to show.
        fn owner(&self, context: &RTSPContext) -> Option<String> {
            let owner = super::owner_of(&super::path_of(context.uri()?));
            self.guarded.get()?.contains(&owner).then_some(owner)
        }

        /// Counts a key that was shown and is wrong; a request without one only asks what to show.
        fn note_refusal(&self, context: &RTSPContext, owner: Option<&str>) {
            let tried = context
                .request()
                .is_some_and(|request| !request.parse_auth_credentials().is_empty());
            let name = owner.and_then(name_of).filter(|_| tried);
            if let (Some(name), Some(doors), Some(client)) =
                (name, self.doors.get(), context.client())
            {
                doors.note_wrong_key(client, name);
            }
        }

        /// Answers by itself those whose key is not looked at now.
        fn has_to_wait(&self, context: &RTSPContext, owner: &str) -> bool {
            let (Some(name), Some(doors), Some(client)) =
                (name_of(owner), self.doors.get(), context.client())
            else {
                return false;
            };
            let Err(refusal) = doors.patience(client, name) else {
                return false;
            };
            if let Some(response) = context.response() {
                response.init_response(status_of(&refusal), context.request());
                if let RefusePublisher::TooOften(seconds) = refusal {
                    response.add_header(RTSPHeaderField::RetryAfter, &seconds.to_string());
                }
                // A client that has gone does not wait for its answer.
                let _ = client.send_message(response, context.session());
            }
            true
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Access {
        const NAME: &'static str = "RegieAccess";
        type Type = super::Access;
        type ParentType = gst_rtsp_server::RTSPAuth;
    }

    impl ObjectImpl for Access {}

    impl RTSPAuthImpl for Access {
        fn authenticate(&self, context: &RTSPContext) -> bool {
            let owner = self.owner(context);
            let known = self.parent_authenticate(context);
            let token = context.token().filter(|_| known);
            // Somebody else's key is a wrong key.
            let fits = |token: &gst_rtsp_server::RTSPToken| {
                let own = token.string(super::OWNER);
                owner.is_none() || own.as_deref() == owner.as_deref()
            };
            if token.as_ref().is_some_and(fits) {
                return true;
            }
            self.note_refusal(context, owner.as_deref());
            // No token at all: the parent answers 401 by itself.
            known && token.is_none()
        }

        fn check(&self, context: &RTSPContext, check: &glib::GString) -> bool {
            // One look per request, at its URL and before anything is done, decides; the later
            // checks are for media factories with permissions of their own.
            // Nobody may choose where datagrams go but to themselves.
            if check == CLIENT_SETTINGS {
                return false;
            }
            if check != "auth.check.url" {
                return true;
            }
            let Some(owner) = self.owner(context) else {
                return true;
            };
            if self.has_to_wait(context, &owner) {
                return false;
            }
            // The parent lets every URL pass. This check of its asks for a token, answers 401 by
            // itself where there is none, and looks for a field that all our tokens have.
            self.parent_check(context, &CLIENT_SETTINGS.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ingest_path_has_its_own_owner_and_all_else_is_for_players() {
        for path in ["/ingest/laptop", "/ingest/laptop/stream=0"] {
            assert_eq!(owner_of(path), "/ingest/laptop");
        }
        for path in [
            "/programme",
            "/programme/stream=1",
            "/source/laptop",
            "/ingest",
            "/ingest/",
            "/",
            "",
        ] {
            assert_eq!(owner_of(path), PLAYER, "{path}");
        }
    }
}
