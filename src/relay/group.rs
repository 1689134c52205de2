//! The programme by multicast: one stream on the network, whatever the number of screens. The switches
//! bring it to where somebody has joined its group (IGMP), and nowhere else.

use gst_rtsp_server::prelude::*;

use crate::venue::Multicast;

/// What comes behind the programme's path where it is asked for.
pub const PLACE: &str = "/multicast";

/// Lets players of the factory's media ask for multicast, and for nothing else. All get the same address, which is the
/// venue's: nobody may choose where the stream goes.
pub fn open(factory: &gst_rtsp_server::RTSPMediaFactory, multicast: &Multicast) {
    let pool = gst_rtsp_server::RTSPAddressPool::new();
    let (first, last) = (multicast.first.to_string(), multicast.last.to_string());
    let (least, most) = multicast.ports.clone().into_inner();
    if let Err(error) = pool.add_range(&first, &last, least, most, multicast.ttl) {
        tracing::error!("the relay has no address for multicast: {error}");
        return;
    }
    factory.set_address_pool(Some(&pool));
    factory.set_multicast_iface(multicast.interface.as_deref());
    factory.set_max_mcast_ttl(multicast.ttl.into());
    factory.set_protocols(gst_rtsp::RTSPLowerTrans::UDP_MCAST);
}
