// SPDX-License-Identifier: Apache-2.0

/// The name among `names` that `wanted` was probably meant to be; `nil` where none is near.
///
/// Near is at most a third of the letters inserted, removed, changed or swapped with a neighbour
/// (optimal string alignment distance).
func nearestName(to wanted: String, among names: [String]) -> String? {
    guard wanted.utf8.count <= longestName else { return nil }
    let distances = names.map { (name: $0, distance: alignmentDistance(wanted, $0)) }
    let nearest = distances.min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let nearest, nearest.distance <= max(1, wanted.count / 3) else { return nil }
    return nearest.name
}

/// No policy type has a longer name.
private let longestName = 64

private func alignmentDistance(_ left: String, _ right: String) -> Int {
    let left = Array(left.utf8)
    let right = Array(right.utf8)
    var rows = [Array(0...right.count)]
    for i in left.indices {
        var row = [i + 1]
        for j in right.indices {
            let substituted = rows[i][j] + (left[i] == right[j] ? 0 : 1)
            var best = min(row[j] + 1, rows[i][j + 1] + 1, substituted)
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                best = min(best, rows[i - 1][j - 1] + 1)
            }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[left.count][right.count]
}
