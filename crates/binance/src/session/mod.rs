//! Poll-style session machines: bytes or replies and the time go in, actions and the next
//! deadline come out. Never: I/O, a clock of their own.
