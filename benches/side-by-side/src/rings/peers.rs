//! The rings of the registry, each spun on without blocking, as a pinned thread would.
//!
//! In: two cores. Out: nanoseconds one way of each. Never: a wake-up by the kernel; a blocking
//! receive would measure that.

use super::{CAPACITY, Message, Setup, message};
use crossbeam::queue::ArrayQueue;
use ringbuf::HeapRb;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use std::hint::spin_loop;

/// A ring's name and its run.
type Peer = (&'static str, fn(&Setup) -> f64);

/// Every ring but ours.
pub(super) const ALL: [Peer; 6] = [
    ("ringbuf, caching", ringbuf),
    ("rtrb", rtrb),
    ("heapless spsc", heapless),
    ("crossbeam channel, bounded", crossbeam_channel),
    ("crossbeam ArrayQueue", array_queue),
    ("std mpsc sync_channel", std_channel),
];

/// Runs with a pair of ends for each direction.
fn run(
    setup: &Setup,
    (mut send, mut answers): (impl FnMut(Message), impl FnMut() -> Option<Message>),
    (mut back, mut inbox): (
        impl FnMut(Message) + Send,
        impl FnMut() -> Option<Message> + Send,
    ),
) -> f64 {
    setup.round_trips(
        move || back(wait(&mut inbox)),
        move |number| {
            send(message(number));
            let answer = wait(&mut answers);
            assert_eq!(answer, message(number), "the echo is what was sent");
        },
    )
}

fn wait(receive: &mut impl FnMut() -> Option<Message>) -> Message {
    loop {
        if let Some(found) = receive() {
            return found;
        }
        spin_loop();
    }
}

fn ringbuf(setup: &Setup) -> f64 {
    let (mut there, mut inbox) = HeapRb::<Message>::new(CAPACITY).split();
    let (mut back, mut answers) = HeapRb::<Message>::new(CAPACITY).split();
    run(
        setup,
        (
            move |one| there.try_push(one).expect("one message is under way"),
            move || answers.try_pop(),
        ),
        (
            move |one| back.try_push(one).expect("one message is under way"),
            move || inbox.try_pop(),
        ),
    )
}

fn rtrb(setup: &Setup) -> f64 {
    let (mut there, mut inbox) = rtrb::RingBuffer::<Message>::new(CAPACITY);
    let (mut back, mut answers) = rtrb::RingBuffer::<Message>::new(CAPACITY);
    run(
        setup,
        (
            move |one| there.push(one).expect("one message is under way"),
            move || answers.pop().ok(),
        ),
        (
            move |one| back.push(one).expect("one message is under way"),
            move || inbox.pop().ok(),
        ),
    )
}

fn heapless(setup: &Setup) -> f64 {
    // On the heap: a queue of this size would be half of a thread's stack.
    let mut first = Box::new(heapless::spsc::Queue::<Message, CAPACITY>::new());
    let mut second = Box::new(heapless::spsc::Queue::<Message, CAPACITY>::new());
    let (mut there, mut inbox) = first.split();
    let (mut back, mut answers) = second.split();
    run(
        setup,
        (
            |one| there.enqueue(one).expect("one message is under way"),
            || answers.dequeue(),
        ),
        (
            |one| back.enqueue(one).expect("one message is under way"),
            || inbox.dequeue(),
        ),
    )
}

fn crossbeam_channel(setup: &Setup) -> f64 {
    let (there, inbox) = crossbeam::channel::bounded::<Message>(CAPACITY);
    let (back, answers) = crossbeam::channel::bounded::<Message>(CAPACITY);
    run(
        setup,
        (
            move |one| there.try_send(one).expect("one message is under way"),
            move || answers.try_recv().ok(),
        ),
        (
            move |one| back.try_send(one).expect("one message is under way"),
            move || inbox.try_recv().ok(),
        ),
    )
}

fn array_queue(setup: &Setup) -> f64 {
    let there = ArrayQueue::<Message>::new(CAPACITY);
    let back = ArrayQueue::<Message>::new(CAPACITY);
    run(
        setup,
        (
            |one| there.push(one).expect("one message is under way"),
            || back.pop(),
        ),
        (
            |one| back.push(one).expect("one message is under way"),
            || there.pop(),
        ),
    )
}

fn std_channel(setup: &Setup) -> f64 {
    let (there, inbox) = std::sync::mpsc::sync_channel::<Message>(CAPACITY);
    let (back, answers) = std::sync::mpsc::sync_channel::<Message>(CAPACITY);
    run(
        setup,
        (
            move |one| there.try_send(one).expect("one message is under way"),
            move || answers.try_recv().ok(),
        ),
        (
            move |one| back.try_send(one).expect("one message is under way"),
            move || inbox.try_recv().ok(),
        ),
    )
}
