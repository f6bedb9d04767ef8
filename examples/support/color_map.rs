//! Numbers to colours.

use image::Rgb;

/// Inferno (matplotlib, CC0) at ten equal steps: dark to bright, readable in grey and by the colour-blind.
const INFERNO: [[u8; 3]; 10] = [
    [0, 0, 4],
    [27, 12, 66],
    [75, 12, 107],
    [120, 28, 109],
    [165, 44, 96],
    [207, 68, 70],
    [237, 105, 37],
    [251, 154, 6],
    [247, 208, 60],
    [252, 255, 164],
];

/// What stands for a value that is not a number.
const NOT_A_NUMBER: Rgb<u8> = Rgb([0, 160, 255]);

/// The colour of `value`, where 0 is the darkest and 1 the brightest; values outside get the colour of the end.
pub fn inferno(value: f32) -> Rgb<u8> {
    if value.is_nan() {
        return NOT_A_NUMBER;
    }
    let position = value.clamp(0.0, 1.0) * (INFERNO.len() - 1) as f32;
    let below = (position as usize).min(INFERNO.len() - 2);
    let share = position - below as f32;
    Rgb(std::array::from_fn(|c| {
        let (from, to) = (f32::from(INFERNO[below][c]), f32::from(INFERNO[below + 1][c]));
        (from + share * (to - from)).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_steps_are_the_published_colours() {
        assert_eq!(inferno(0.0).0, INFERNO[0]);
        assert_eq!(inferno(1.0).0, INFERNO[9]);
        assert_eq!(inferno(3.0 / 9.0).0, INFERNO[3]);
        assert_eq!(inferno(-7.0), inferno(0.0));
        assert_eq!(inferno(f32::INFINITY), inferno(1.0));
    }

    #[test]
    fn brightness_never_falls() {
        let brightness = |value| {
            let [r, g, b] = inferno(value).0.map(f32::from);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        for step in 0..1000 {
            let (here, next) = (step as f32 / 1000.0, (step + 1) as f32 / 1000.0);
            assert!(brightness(next) >= brightness(here) - 1.0, "darker from {here} to {next}");
        }
    }

    #[test]
    fn not_a_number_stands_out() {
        assert_eq!(inferno(f32::NAN), NOT_A_NUMBER);
    }
}
