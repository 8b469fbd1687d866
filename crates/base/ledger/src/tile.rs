//! Tile coordinates and paths, C2SP tlog-tiles v0.1: tiles of height 8, entry bundles of 256.

use crate::merkle::{Hash, node_hash};

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;

/// One tile: `level` 0 holds leaf hashes, level n roots of complete subtrees of 256^n leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    pub level: u8,
    pub index: u64,
    /// Hashes present, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The path below the log's prefix: `tile/0/x001/234.p/5`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.index, self.width))
    }

    pub const fn is_full(&self) -> bool {
        self.width as u64 == WIDTH
    }
}

/// The path of the entry bundle `index` with `width` entries.
pub fn entries_path(index: u64, width: u16) -> String {
    format!("tile/entries/{}", numbered(index, width))
}

/// Width of tile `index` at `level` in a tree of `size`; 0 where there is none.
pub const fn width_at(level: u8, index: u64, size: u64) -> u16 {
    let hashes = match size.checked_shr(8 * level as u32) {
        Some(hashes) => hashes,
        None => 0,
    };
    let Some(before) = index.checked_mul(WIDTH) else { return 0 };
    let rest = hashes.saturating_sub(before);
    if rest > WIDTH { WIDTH as u16 } else { rest as u16 }
}

/// All tiles of a tree of `size`, partial ones with their width, level by level.
pub fn tiles_of(size: u64) -> impl Iterator<Item = Tile> {
    (0..8u8).flat_map(move |level| {
        let hashes = size >> (8 * u32::from(level));
        (0..hashes.div_ceil(WIDTH)).map(move |index| Tile {
            level,
            index,
            width: width_at(level, index, size),
        })
    })
}

/// The root of the complete subtree of height `height` (at most 8) at `index` within one tile's hashes.
pub fn subtree(hashes: &[Hash], height: u8, index: usize) -> Option<Hash> {
    let width = 1usize.checked_shl(u32::from(height))?;
    let start = index.checked_mul(width)?;
    let mut row = hashes.get(start..start.checked_add(width)?)?.to_vec();
    while row.len() > 1 {
        row = row
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node_hash(left, right)),
                _ => None,
            })
            .collect();
    }
    row.first().copied()
}

fn numbered(index: u64, width: u16) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if u64::from(width) < WIDTH {
        path.push_str(&format!(".p/{width}"));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let tile = |level, index, width| Tile { level, index, width }.path();
        assert_eq!(tile(0, 0, 256), "tile/0/000");
        assert_eq!(tile(1, 1_234_067, 8), "tile/1/x001/x234/067.p/8");
        assert_eq!(entries_path(999, 1), "tile/entries/999.p/1");
    }

    #[test]
    fn widths() {
        assert_eq!(width_at(0, 0, 70_000), 256);
        assert_eq!(width_at(0, 273, 70_000), 112);
        assert_eq!(width_at(1, 1, 70_000), 17);
        assert_eq!(width_at(2, 0, 70_000), 1);
        assert_eq!(width_at(3, 0, 70_000), 0);
        assert_eq!(tiles_of(257).count(), 3);
    }
}
