//! simd-json's tape, walked by hand: the fastest peer where it was measured first.
//!
//! In: a frame, copied because the parse is in place. Out: fixed-point pairs in vectors that are
//! reused. Never: an intermediate value.

use super::fixed::Scale;
use super::{Decoder, Depth};
use simd_json::{Buffers, Node, StaticNode, Tape};
use std::hint::black_box;

pub(super) struct SimdJsonTape {
    scale: Scale,
    copy: Vec<u8>,
    buffers: Buffers,
    ids: [u64; 3],
    bids: Vec<(i64, i64)>,
    asks: Vec<(i64, i64)>,
}

impl SimdJsonTape {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            scale,
            copy: Vec::new(),
            buffers: Buffers::default(),
            ids: [0; 3],
            bids: Vec::new(),
            asks: Vec::new(),
        }
    }

    fn read(&mut self, frame: &[u8]) -> Option<()> {
        self.copy.clear();
        self.copy.extend_from_slice(frame);
        let Tape(nodes) =
            simd_json::to_tape_with_buffers(&mut self.copy, &mut self.buffers).ok()?;
        let Node::Object { len, .. } = nodes.first()? else {
            return None;
        };
        let mut at = 1;
        for _ in 0..*len {
            let Node::String(key) = nodes.get(at)? else {
                return None;
            };
            at += 1;
            at += match (*key, nodes.get(at)?) {
                ("U", Node::Static(number)) => note(&mut self.ids[0], number)?,
                ("u", Node::Static(number)) => note(&mut self.ids[1], number)?,
                ("pu", Node::Static(number)) => note(&mut self.ids[2], number)?,
                ("b", Node::Array { len, count }) => {
                    side(self.scale, &nodes[at + 1..], *len, &mut self.bids)?;
                    count + 1
                }
                ("a", Node::Array { len, count }) => {
                    side(self.scale, &nodes[at + 1..], *len, &mut self.asks)?;
                    count + 1
                }
                (_, Node::Array { count, .. } | Node::Object { count, .. }) => count + 1,
                _ => 1,
            };
        }
        Some(())
    }
}

fn note(target: &mut u64, number: &StaticNode) -> Option<usize> {
    *target = match number {
        StaticNode::U64(value) => *value,
        StaticNode::I64(value) => u64::try_from(*value).ok()?,
        _ => return None,
    };
    Some(1)
}

fn side(scale: Scale, nodes: &[Node<'_>], count: usize, out: &mut Vec<(i64, i64)>) -> Option<()> {
    out.clear();
    for level in nodes.chunks_exact(3).take(count) {
        let [
            Node::Array { len: 2, .. },
            Node::String(price),
            Node::String(quantity),
        ] = level
        else {
            return None;
        };
        out.push(scale.level(price, quantity)?);
    }
    (out.len() == count).then_some(())
}

impl Decoder for SimdJsonTape {
    fn name(&self) -> &'static str {
        "simd-json tape, walked by hand"
    }

    fn decode(&mut self, frame: &[u8]) -> usize {
        self.read(frame).expect("checked before the first round");
        let sides = black_box(&*self);
        sides.bids.len() + sides.asks.len()
    }

    fn depth(&mut self, frame: &[u8]) -> Result<Depth, String> {
        self.read(frame).ok_or("no difference")?;
        Ok(self.scale.depth(self.ids, &self.bids, &self.asks))
    }
}
