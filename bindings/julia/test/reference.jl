# SSIM, its gradient and the training loss the plain way, in Float64, for arrays of size (w, h, c, n): the textbook's
# statistics and one two-dimensional window per pixel.

function reference_taps(window, window_size, sigma)
    radius = div(window_size, 2)
    raw = window === :uniform ? ones(window_size) : [exp(-0.5 * (i / sigma)^2) for i = -radius:radius]
    return Float64.(Float32.(raw ./ sum(raw)))
end

border_of(padding, window_size) = padding === :valid ? div(window_size, 2) : 0

# Each window of each plane in turn: visit(weights, x, y, indices of both, pixel). With a mask the weights are those of the
# pixels inside the window, and sum to 1.
function each_window(visit, x, y, padding, sigma, window, window_size, mask)
    taps, radius = reference_taps(window, window_size, sigma), div(window_size, 2)
    border = border_of(padding, window_size)
    width, height, channels, images = size(x)
    for n = 1:images, c = 1:channels, v = 1+border:height-border, u = 1+border:width-border
        us, vs = max(u - radius, 1):min(u + radius, width), max(v - radius, 1):min(v + radius, height)
        weights = taps[us .- (u - radius - 1)] * taps[vs .- (v - radius - 1)]'
        if mask !== nothing
            weights = weights .* mask[us, vs, c, n]
            # A window that sees nothing has no part in any result.
            weights ./= iszero(weights) ? 1 : sum(weights)
        end
        visit(weights, Float64.(x[us, vs, c, n]), Float64.(y[us, vs, c, n]), (us, vs, c, n), (u, v, c, n))
    end
end

function statistics(weights, a, b, data_range, k1, k2)
    mu1, mu2 = sum(weights .* a), sum(weights .* b)
    c1, c2 = (k1 * data_range)^2, (k2 * data_range)^2
    variances = sum(weights .* (a .^ 2 .+ b .^ 2)) - mu1^2 - mu2^2
    covariance = sum(weights .* a .* b) - mu1 * mu2
    return mu1, mu2, 2mu1 * mu2 + c1, mu1^2 + mu2^2 + c1, 2covariance + c2, variances + c2
end

"The SSIM map. `weights`: those of the pixels inside each window."
function reference_map(
    x, y; padding = :same, data_range = 1, sigma = 1.5, k1 = 0.01, k2 = 0.03, window = :gaussian, window_size = 11,
    weights = nothing,
)
    width, height, channels, images = size(x)
    border = border_of(padding, window_size)
    map = zeros(width - 2border, height - 2border, channels, images)
    each_window(x, y, padding, sigma, window, window_size, weights) do w, a, b, _, (u, v, c, n)
        _, _, C, A, D, B = statistics(w, a, b, data_range, k1, k2)
        map[u-border, v-border, c, n] = C * D / (A * B)
    end
    return map
end

"The gradient with respect to x of the sum of `seed .* map`; `seed` has the size of the map."
function reference_gradient(
    x, y, seed; padding = :same, data_range = 1, sigma = 1.5, k1 = 0.01, k2 = 0.03, window = :gaussian,
    window_size = 11, weights = nothing,
)
    border = border_of(padding, window_size)
    gradient = zeros(size(x))
    each_window(x, y, padding, sigma, window, window_size, weights) do w, a, b, indices, (u, v, c, n)
        mu1, mu2, C, A, D, B = statistics(w, a, b, data_range, k1, k2)
        S = C * D / (A * B)
        terms = S * (2mu2 / C - 2mu1 / A) .- (2S / B) .* (a .- mu1) .+ (2C / (A * B)) .* (b .- mu2)
        gradient[indices...] .+= seed[u-border, v-border, c, n] .* w .* terms
    end
    return gradient
end

const OVER = (mean = (1, 2, 3, 4), per_image = (1, 2, 3), per_channel = (1, 2), map = ())
# Of SSIM S: offset + slope * S.
const OUTPUT_OF = (ssim = (0, 1), one_minus_ssim = (1, -1), dssim = (0.5, -0.5))

"The weighted mean over each group of the reduction, and its derivative by each of `values`."
function weighted_mean(values, weights, reduction)
    reduction === :map && return weights .* values, weights
    over = OVER[reduction]
    shares = weights ./ sum(weights; dims = over)
    sums = dropdims(sum(shares .* values; dims = over); dims = over)
    return reduction === :mean ? sums[] : sums, shares
end

"The images compared, the weights of windows (or nothing), those of means, and what gradients are multiplied by."
function masked(x, y, mask, mask_mode)
    ones_of = ones(size(x))
    mask === nothing && return Float64.(x), Float64.(y), nothing, ones_of, ones_of
    m = mask .* ones_of
    mask_mode === :multiply_inputs && return m .* x, m .* y, nothing, ones_of, m
    return Float64.(x), Float64.(y), mask_mode === :normalized ? m : nothing, m, ones_of
end

"What `ssim_with_gradient` returns for `wrt = :both`."
function reference_answer(
    x, y; reduction = :mean, output = :ssim, mask = nothing, mask_mode = :weighted_mean, keywords...,
)
    a, b, windows, means, inner = masked(x, y, mask, mask_mode)
    offset, slope = OUTPUT_OF[output]
    border = border_of(get(keywords, :padding, :same), get(keywords, :window_size, 11))
    inside = (1+border:size(x, 1)-border, 1+border:size(x, 2)-border, :, :)
    map = offset .+ slope .* reference_map(a, b; weights = windows, keywords...)
    value, shares = weighted_mean(map, means[inside...], reduction)
    gradient(this, other) = inner .* reference_gradient(this, other, slope .* shares; weights = windows, keywords...)
    return value, gradient(a, b), gradient(b, a)
end

"The loss, its pixel part, its dissimilarity, and the gradients of the first."
function reference_loss(
    x, y; lambda = 0.2, pixel_loss = :l1, output = :one_minus_ssim, reduction = :mean, mask = nothing,
    mask_mode = :weighted_mean, keywords...,
)
    dissimilarity, of_x, of_y =
        reference_answer(x, y; reduction = reduction, output = output, mask = mask, mask_mode = mask_mode, keywords...)
    a, b, _, means, inner = masked(x, y, mask, mask_mode)
    distance, slope = pixel_loss === :l1 ? (abs.(a .- b), sign.(a .- b)) : ((a .- b) .^ 2, 2 .* (a .- b))
    pixel, shares = weighted_mean(distance, means, reduction)
    step = (1 - lambda) .* inner .* shares .* slope
    loss = (1 - lambda) .* pixel .+ lambda .* dissimilarity
    return loss, pixel, dissimilarity, step .+ lambda .* of_x, lambda .* of_y .- step
end

mean_seed(map) = fill(1 / length(map), size(map))

relative(a, b) = sqrt(sum(abs2, Float64.(a) .- b) / sum(abs2, b))

const VALUE_TOLERANCE = 1e-6
const MAP_TOLERANCE = 5e-6
const GRADIENT_TOLERANCE = 2e-6

"Repeatable images of size (w, h, c, n): a smooth picture with noise, and a blend of it with other noise."
function images(dims...; seed = 7)
    random = MersenneTwister(seed)
    smooth = [0.5 + 0.3 * sin(i[1] / 5) * cos(i[2] / 7) for i in CartesianIndices(dims)]
    x = Float32.(0.7 .* smooth .+ 0.3 .* rand(random, dims...))
    return x, Float32.(0.75 .* x .+ 0.25 .* rand(random, dims...))
end

"Repeatable weights of any size, a quarter of them 0."
function weights(dims...; seed = 8)
    random = MersenneTwister(seed)
    return Float32.((0.1 .+ 1.9 .* rand(random, dims...)) .* (rand(random, dims...) .> 0.25))
end
