//! Entry of the control process.
fn main() {
    println!("fulcrum-control {}", env!("CARGO_PKG_VERSION"));
}
