// SPDX-License-Identifier: Apache-2.0

/// A dense matrix, row-major without gaps.
///
/// In double precision: what is composed here is computed once and served often, and the bounds
/// that the tests and the reports state would drown in the rounding of single precision.
struct Matrix: Sendable, Equatable {
    let rows: Int
    let columns: Int
    private(set) var values: [Double]

    init(rows: Int, columns: Int, values: [Double]) {
        precondition(
            rows >= 0 && columns >= 0 && values.count == rows * columns,
            "\(values.count) values for \(rows) x \(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    init(zeros rows: Int, _ columns: Int) {
        self.init(
            rows: rows, columns: columns, values: Array(repeating: 0, count: rows * columns))
    }

    init(rows: Int, columns: Int, floats: [Float]) {
        self.init(rows: rows, columns: columns, values: floats.map(Double.init))
    }

    subscript(row: Int, column: Int) -> Double {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// The root of the sum of all squares (Frobenius).
    var norm: Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// Calls `body` with each element's place in `values`, in order, to change it.
    mutating func update(_ body: (_ index: Int, _ value: inout Double) -> Void) {
        for index in values.indices { body(index, &values[index]) }
    }

    func scaled(by factor: Double) -> Matrix {
        Matrix(rows: rows, columns: columns, values: values.map { $0 * factor })
    }

    /// Adds `factor` times `other`, which has the same shape.
    mutating func add(_ other: Matrix, times factor: Double = 1) {
        precondition(rows == other.rows && columns == other.columns, "shapes differ")
        for index in values.indices { values[index] += factor * other.values[index] }
    }

    /// The first `count` rows.
    func firstRows(_ count: Int) -> Matrix {
        Matrix(rows: count, columns: columns, values: Array(values[..<(count * columns)]))
    }

    /// The first `count` columns.
    func firstColumns(_ count: Int) -> Matrix {
        Matrix(
            rows: rows, columns: count,
            values: (0..<rows).flatMap { values[$0 * columns..<$0 * columns + count] })
    }

    /// Row by row, times the factors.
    func rowsScaled(by factors: [Double]) -> Matrix {
        var result = self
        result.update { index, value in value *= factors[index / columns] }
        return result
    }

    /// Column by column, times the factors.
    func columnsScaled(by factors: [Double]) -> Matrix {
        var result = self
        result.update { index, value in value *= factors[index % columns] }
        return result
    }

    /// One below the other; all have as many columns.
    static func stackedRows(_ parts: [Matrix]) -> Matrix {
        Matrix(
            rows: parts.reduce(0) { $0 + $1.rows }, columns: parts.first?.columns ?? 0,
            values: parts.flatMap(\.values))
    }

    /// One beside the other; all have as many rows.
    static func stackedColumns(_ parts: [Matrix]) -> Matrix {
        let rows = parts.first?.rows ?? 0
        let columns = parts.reduce(0) { $0 + $1.columns }
        var values: [Double] = []
        values.reserveCapacity(rows * columns)
        for row in 0..<rows {
            for part in parts {
                values += part.values[row * part.columns..<(row + 1) * part.columns]
            }
        }
        return Matrix(rows: rows, columns: columns, values: values)
    }

    var transposed: Matrix {
        var result = Matrix(zeros: columns, rows)
        for row in 0..<rows {
            for column in 0..<columns { result[column, row] = self[row, column] }
        }
        return result
    }
}
