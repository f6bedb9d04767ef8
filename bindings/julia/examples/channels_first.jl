# Arrays in any order of dimensions, and parts of them, without a copy.
using FusedSSIM

# An image as JuliaImages' channelview gives it: channels, height, width.
photo = Float32[0.5 + 0.3 * sin(c + v / 9) * cos(u / 7) for c = 1:3, v = 1:120, u = 1:160]
noisy = clamp.(photo .+ 0.1f0 .* (rand(Float32, size(photo)) .- 0.5f0), 0, 1)

println("whole image:  ", ssim(noisy, photo; dims = :chw))
println("each channel: ", vec(ssim(noisy, photo; dims = :chw, reduction = :per_channel)))

crop = (:, 31:90, 41:120)
value = ssim(view(noisy, crop...), view(photo, crop...); dims = :chw, padding = :valid)
println("the middle:   ", value)
0 < value < 1 || error("noise must cost something, and not everything")
