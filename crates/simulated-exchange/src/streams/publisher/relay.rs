//! Frames of a followed exchange, told on as they came.
//!
//! In: frames with their meaning. Out: the same text on the stream that it came from; slower and
//! partial books made of it. Never: another text on a stream that is followed.

use matching::MarketView;

use super::{AGGREGATES_MAX, Publisher, send};
use crate::faults::Faults;
use crate::feed::DepthChange;
use crate::feed::follow::relay::{Frame, Meaning};
use crate::streams::hub::{Hub, StreamId};

impl Publisher {
    /// Tells a frame on.
    pub fn relay(&mut self, frame: Frame, view: &MarketView, hub: &mut Hub, faults: &mut Faults) {
        let (kind, id) = (frame.meaning.kind(), frame.meaning.id());
        let streams = match &frame.meaning {
            Meaning::Depth(change) => self.relay_depth(change, view, hub, faults),
            Meaning::Ticker(_) => vec![self.ticker],
            Meaning::Trade(..) => vec![self.trade],
            Meaning::Aggregate(aggregate, _) => {
                if self.aggregates.len() == AGGREGATES_MAX {
                    self.aggregates.pop_front();
                }
                self.aggregates.push_back(*aggregate);
                vec![self.aggregate]
            }
            Meaning::Mark(_) => self.mark_streams(),
        };
        let key = self.key(kind, id);
        for stream in streams {
            if hub.has_subscribers(stream) {
                // A fault may change the text of one stream.
                self.text.clone_from(&frame.text);
                send(hub, faults, stream, &mut self.text, key);
            }
        }
    }

    /// The streams that carry every difference; those that collect them get theirs.
    fn relay_depth(
        &mut self,
        change: &DepthChange,
        view: &MarketView,
        hub: &mut Hub,
        faults: &mut Faults,
    ) -> Vec<StreamId> {
        let mut streams = Vec::new();
        for index in 0..self.speeds.len() {
            if let Some(sent) = self.speeds[index].cadence.add(change) {
                streams.extend(self.speeds[index].differences.iter().copied());
                self.send_partial(index, &sent, view, hub, faults);
            }
        }
        streams
    }

    /// Every mark price goes to the stream of each second, each third one to the slow one.
    fn mark_streams(&mut self) -> Vec<StreamId> {
        let Some((every_second, every_third)) = self.mark else {
            return Vec::new();
        };
        let third = self.marks_sent.is_multiple_of(3);
        self.marks_sent += 1;
        let slow = third.then_some(every_third);
        std::iter::once(every_second).chain(slow).collect()
    }
}
