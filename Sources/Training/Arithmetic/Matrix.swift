// SPDX-License-Identifier: Apache-2.0

/// Memory of one or several matrices, zeros at first.
final class MatrixMemory<Scalar: TrainingScalar> {
    let base: UnsafeMutablePointer<Scalar>
    let count: Int

    init(count: Int) {
        // A cache line, and room for one element where there is none.
        let bytes = max(1, count) * MemoryLayout<Scalar>.stride
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        base = raw.bindMemory(to: Scalar.self, capacity: max(1, count))
        base.initialize(repeating: 0, count: max(1, count))
        self.count = count
    }

    deinit {
        base.deallocate()
    }
}

/// A matrix, or a rectangle out of one: copies share their memory.
///
/// Whoever computes with matrices on several threads sees to it that nobody writes what another
/// one reads.
struct Matrix<Scalar: TrainingScalar> {
    let rows: Int
    let columns: Int
    private let memory: MatrixMemory<Scalar>
    private let offset: Int
    private let stride: Int
    private let isTransposed: Bool

    /// A matrix of zeros.
    init(_ rows: Int, _ columns: Int) {
        self.init(
            rows, columns, MatrixMemory(count: rows * columns), offset: 0, stride: columns,
            isTransposed: false)
    }

    /// A matrix of given elements, row-major.
    init(_ rows: Int, _ columns: Int, _ values: some Collection<Float>) {
        precondition(values.count == rows * columns, "\(values.count) for \(rows) x \(columns)")
        self.init(rows, columns)
        for (index, value) in values.enumerated() { memory.base[index] = Scalar(value) }
    }

    private init(
        _ rows: Int, _ columns: Int, _ memory: MatrixMemory<Scalar>, offset: Int, stride: Int,
        isTransposed: Bool
    ) {
        self.rows = rows
        self.columns = columns
        self.memory = memory
        self.offset = offset
        self.stride = stride
        self.isTransposed = isTransposed
    }

    /// The same elements with rows and columns exchanged; only for products.
    var transposed: Matrix {
        Matrix(
            columns, rows, memory, offset: offset, stride: stride, isTransposed: !isTransposed)
    }

    /// Some rows and columns of it.
    func part(rows: Range<Int>? = nil, columns: Range<Int>? = nil) -> Matrix {
        let (down, across) = (rows ?? 0..<self.rows, columns ?? 0..<self.columns)
        precondition(
            !isTransposed && down.upperBound <= self.rows && across.upperBound <= self.columns,
            "\(down) x \(across) of \(self.rows) x \(self.columns)")
        return Matrix(
            down.count, across.count, memory,
            offset: offset + down.lowerBound * stride + across.lowerBound, stride: stride,
            isTransposed: false)
    }

    /// The same elements in rows of another length; only for a whole matrix.
    func inRows(of columns: Int) -> Matrix {
        precondition(stride == self.columns && !isTransposed && rows * self.columns % columns == 0)
        return Matrix(
            rows * self.columns / columns, columns, memory, offset: offset, stride: columns,
            isTransposed: false)
    }

    /// The beginning of a row, valid as long as the matrix lives.
    func row(_ row: Int) -> UnsafeMutablePointer<Scalar> {
        memory.base + offset + row * stride
    }

    subscript(row: Int, column: Int) -> Scalar {
        get { self.row(row)[column] }
        nonmutating set { self.row(row)[column] = newValue }
    }

    /// The elements, row by row.
    var values: [Scalar] {
        (0..<rows).flatMap { row in
            Array(UnsafeBufferPointer(start: self.row(row), count: columns))
        }
    }

    /// Makes this `scale * left * right`, or adds that to it.
    func set(_ left: Matrix, times right: Matrix, scale: Scalar = 1, adding: Bool = false) {
        precondition(
            left.rows == rows && right.columns == columns && left.columns == right.rows
                && !isTransposed,
            "\(left.rows) x \(left.columns) times \(right.rows) x \(right.columns)")
        guard rows > 0, columns > 0 else { return }
        guard left.columns > 0 else {
            if !adding { fill(0) }
            return
        }
        Scalar.multiply(
            MatrixProduct(
                left: left.factor, right: right.factor, result: row(0), stride: stride, rows: rows,
                columns: columns, depth: left.columns, scale: scale, kept: adding ? 1 : 0))
    }

    private var factor: MatrixProduct<Scalar>.Factor {
        .init(base: row(0), stride: stride, isTransposed: isTransposed)
    }

    func fill(_ value: Scalar) {
        for row in 0..<rows { self.row(row).update(repeating: value, count: columns) }
    }

    func copy(_ other: Matrix) {
        precondition(other.rows == rows && other.columns == columns)
        for row in 0..<rows { self.row(row).update(from: other.row(row), count: columns) }
    }

    /// A copy in memory of its own.
    func copied() -> Matrix {
        let copy = Matrix(rows, columns)
        copy.copy(self)
        return copy
    }

    func add(_ other: Matrix) {
        precondition(other.rows == rows && other.columns == columns)
        for row in 0..<rows {
            let (to, from) = (self.row(row), other.row(row))
            for column in 0..<columns { to[column] += from[column] }
        }
    }

    func scale(by factor: Scalar) {
        for row in 0..<rows {
            let values = self.row(row)
            for column in 0..<columns { values[column] *= factor }
        }
    }

    /// Adds `[1, columns]` to each row.
    func addToRows(_ bias: Matrix) {
        precondition(bias.rows == 1 && bias.columns == columns)
        let from = bias.row(0)
        for row in 0..<rows {
            let to = self.row(row)
            for column in 0..<columns { to[column] += from[column] }
        }
    }

    /// Adds the sum of the rows of `other` to this `[1, columns]`.
    func addRows(of other: Matrix) {
        precondition(rows == 1 && other.columns == columns)
        let to = row(0)
        for row in 0..<other.rows {
            let from = other.row(row)
            for column in 0..<columns { to[column] += from[column] }
        }
    }

    /// The sum of the squares, in double precision.
    var squares: Double {
        var sum = 0.0
        for row in 0..<rows {
            let values = self.row(row)
            for column in 0..<columns { sum += Double(values[column]) * Double(values[column]) }
        }
        return sum
    }
}
