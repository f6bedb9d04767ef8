//! Row sharding: which rows of an image a call owns, and which of them have an SSIM.

use crate::options::{Options, Padding, Reduction};
use crate::problem::{MAX_SIZE, Region, Shape};
use crate::status::{Error, Result};
use crate::window::Window;

/// A part of a larger image: some of its rows are owned, and around them others are present in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shard {
    /// Rows in memory above the first owned one.
    pub rows_above: usize,
    /// Rows in memory below the last owned one.
    pub rows_below: usize,
    /// Rows of the whole image.
    pub height: usize,
    /// What sums are divided by; None: the number of elements of the whole image that are averaged.
    pub divisor: Option<f64>,
}

/// The pixels that have an SSIM, of the owned rows alone; an error when the whole image has none. The rows in memory around
/// the owned ones are enough for their windows, so that the edge of the memory stands for the edge of the image.
pub(crate) fn map_region(shape: Shape, padding: Padding, window_size: usize, shard: Option<Shard>) -> Result<Region> {
    let height = shard.map_or(shape.h, |shard| shard.height);
    let radius = match padding {
        Padding::Same => 0,
        Padding::Valid if height < window_size || shape.w < window_size => {
            return Err(Error::Shape(format!(
                "h, w is {height}, {}; with valid padding both must be at least the window size, {window_size}",
                shape.w
            )));
        }
        Padding::Valid => window_size / 2,
    };
    let (first, count) = owned_rows(shape, shard)?;
    let top = first.max(radius);
    let bottom = (first + count).min(shape.h.saturating_sub(radius)).max(top);
    Ok(Region { top, left: radius, height: bottom - top, width: shape.w - 2 * radius })
}

/// The first owned row and their number.
pub(crate) fn owned_rows(shape: Shape, shard: Option<Shard>) -> Result<(usize, usize)> {
    let Some(Shard { rows_above, rows_below, .. }) = shard else { return Ok((0, shape.h)) };
    let owned = rows_above.checked_add(rows_below).and_then(|around| shape.h.checked_sub(around)).unwrap_or(0);
    if owned == 0 {
        return Err(Error::Shape(format!(
            "h is {}, but shard_rows_above and shard_rows_below are {rows_above} and {rows_below}; h counts them, and at \
             least one row more",
            shape.h
        )));
    }
    Ok((rows_above, owned))
}

/// A shard must bring every row that its own rows depend on.
pub(crate) fn check_shard(shape: Shape, options: &Options, window: &Window) -> Result<()> {
    let Some(shard) = options.shard else { return Ok(()) };
    let Shard { rows_above, rows_below, height, divisor } = shard;
    if height < shape.h || height as i64 > MAX_SIZE {
        return Err(Error::Option(format!(
            "shard_height is {height}; it must be at least h, {}, and at most {MAX_SIZE}",
            shape.h
        )));
    }
    // A gradient needs the map of `radius` rows further, and that the pixels of as many again.
    let needed = 2 * window.radius();
    if height > shape.h && rows_above < needed && rows_below < needed {
        return Err(Error::Option(format!(
            "shard_rows_above and shard_rows_below are {rows_above} and {rows_below}; towards the rest of the image a \
             shard needs {needed} rows"
        )));
    }
    let weighted = options.mask.is_some_and(|mask| mask.mode.weights_mean());
    if weighted && options.reduction != Reduction::Map && divisor.is_none() {
        return Err(Error::Option(
            "shard_divisor is 0; with this mask_mode it must be the sum of the whole image's mask".to_owned(),
        ));
    }
    Ok(())
}
