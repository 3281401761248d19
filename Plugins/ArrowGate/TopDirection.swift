// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The input direction that `up · down` lengthens most: its first right singular vector, of length 1.
///
/// Power iteration as in Arrow, but among the ranks: with A = down, B = up, that vector is Aᵀy where
/// y is the first eigenvector of (BᵀB)(AAᵀ). So one step costs rank², and it can go on until nothing
/// changes any more. All zeros where the product is zero.
///
/// `down` is `[rank, inputs]`, `up` is `[outputs, rank]`.
///
/// - Throws: ``PolicyError`` where the shapes do not match or values are not finite.
func topDirection(down: GateTensor, up: GateTensor) throws(PolicyError) -> [Float] {
    guard down.shape.count == 2, up.shape.count == 2, down.shape[0] == up.shape[1] else {
        throw PolicyError("factors of the shapes \(down.shape) and \(up.shape) do not match")
    }
    let (rank, inputs) = (down.shape[0], down.shape[1])
    let inner = products(of: down.values, rows: rank, columns: inputs)
    let outer = products(of: transposed(up), rows: rank, columns: up.shape[0])
    var vector = (0..<rank).map { index in
        // Any start that is not at right angles to the answer; equal for equal ranks.
        1 + Double((index * 7 + 3) % 11) / 11
    }
    for _ in 0..<1_000 {
        var next = multiplied(outer, multiplied(inner, vector))
        let length = dot(next, next).squareRoot()
        guard length.isFinite else { throw PolicyError("a factor has values that are not finite") }
        guard length > 0 else { return Array(repeating: 0, count: inputs) }
        for index in next.indices { next[index] /= length }
        let change = zip(next, vector).reduce(0) { max($0, abs($1.0 - $1.1)) }
        vector = next
        if change < 1e-12 { break }
    }
    var direction = [Double](repeating: 0, count: inputs)
    for row in 0..<rank {
        for input in 0..<inputs {
            direction[input] += vector[row] * Double(down.values[row * inputs + input])
        }
    }
    let length = dot(direction, direction).squareRoot()
    return direction.map { length > 0 ? Float($0 / length) : 0 }
}

/// The inner products of all pairs of rows.
private func products(of values: [Float], rows: Int, columns: Int) -> [[Double]] {
    (0..<rows).map { left in
        (0..<rows).map { right in
            var sum = 0.0
            for column in 0..<columns {
                sum +=
                    Double(values[left * columns + column])
                    * Double(values[right * columns + column])
            }
            return sum
        }
    }
}

private func transposed(_ tensor: GateTensor) -> [Float] {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    return (0..<columns).flatMap { column in
        (0..<rows).map { tensor.values[$0 * columns + column] }
    }
}

private func multiplied(_ matrix: [[Double]], _ vector: [Double]) -> [Double] {
    matrix.map { dot($0, vector) }
}

private func dot(_ left: [Double], _ right: [Double]) -> Double {
    zip(left, right).reduce(0) { $0 + $1.0 * $1.1 }
}
