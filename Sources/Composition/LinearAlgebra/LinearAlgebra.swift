// SPDX-License-Identifier: Apache-2.0

internal import COpenBLAS
internal import Inference

/// Products and decompositions by BLAS and LAPACK, on one thread.
///
/// LAPACK reads matrices column by column: a row-major matrix is to it the transposed one. The
/// decompositions are chosen so that this needs no copy.
enum LinearAlgebra {
    /// `a * b`, each transposed first if so asked.
    static func product(
        _ a: Matrix, _ b: Matrix, transposingA: Bool = false, transposingB: Bool = false
    ) -> Matrix {
        _ = BLAS.core
        let rows = transposingA ? a.columns : a.rows
        let depth = transposingA ? a.rows : a.columns
        let columns = transposingB ? b.rows : b.columns
        precondition(depth == (transposingB ? b.columns : b.rows), "inner sizes differ")
        guard rows > 0, columns > 0, depth > 0 else { return Matrix(zeros: rows, columns) }
        let values = [Double](unsafeUninitializedCapacity: rows * columns) { memory, count in
            cblas_dgemm(
                CblasRowMajor, transposingA ? CblasTrans : CblasNoTrans,
                transposingB ? CblasTrans : CblasNoTrans, Int32(rows), Int32(columns),
                Int32(depth), 1, a.values, Int32(a.columns), b.values, Int32(b.columns), 0,
                memory.baseAddress, Int32(columns))
            count = rows * columns
        }
        return Matrix(rows: rows, columns: columns, values: values)
    }

    /// `a = q * r`, with `min(rows, columns)` orthonormal columns in `q`; `r` is upper triangular.
    static func orthonormal(_ a: Matrix) throws(CompositionError) -> (q: Matrix, r: Matrix) {
        _ = BLAS.core
        let size = min(a.rows, a.columns)
        guard size > 0 else { return (Matrix(zeros: a.rows, 0), Matrix(zeros: 0, a.columns)) }
        // To LAPACK this is a transposed = l * q', so that q is q' transposed, and r is l.
        var values = a.values
        let (n, m) = (Int32(a.columns), Int32(a.rows))
        var reflectors = [Double](repeating: 0, count: size)
        let workCount = 64 * max(n, m)
        var work = [Double](repeating: 0, count: Int(workCount))
        try check(
            shim_lq(n, m, &values, &reflectors, &work, workCount), "an orthonormal basis")
        var r = Matrix(zeros: size, a.columns)
        for row in 0..<size {
            for column in row..<a.columns { r[row, column] = values[row * a.columns + column] }
        }
        try check(
            shim_lq_rows(n, m, Int32(size), &values, reflectors, &work, workCount),
            "an orthonormal basis")
        let whole = Matrix(rows: a.rows, columns: a.columns, values: values)
        return (whole.firstColumns(size), r)
    }

    /// `a = left * diagonal(values) * right`, with `min(rows, columns)` singular values, the
    /// largest first.
    struct SingularValues {
        /// `[rows, count]`, its columns orthonormal.
        let left: Matrix
        let values: [Double]
        /// `[count, columns]`, its rows orthonormal.
        let right: Matrix
    }

    static func singularValues(_ a: Matrix) throws(CompositionError) -> SingularValues {
        _ = BLAS.core
        let size = min(a.rows, a.columns)
        guard size > 0 else {
            return SingularValues(
                left: Matrix(zeros: a.rows, 0), values: [], right: Matrix(zeros: 0, a.columns))
        }
        var input = a.values
        let (n, m) = (Int32(a.columns), Int32(a.rows))
        var singular = [Double](repeating: 0, count: size)
        var u = [Double](repeating: 0, count: a.columns * size)
        var vt = [Double](repeating: 0, count: a.rows * size)
        var integers = [Int32](repeating: 0, count: 8 * size)
        var work = [0.0]
        // The first call only says how much memory the second one wants.
        for isQuestion in [true, false] {
            let count = isQuestion ? -1 : Int32(clamping: work.count)
            try check(
                shim_singular_values(
                    n, m, &input, &singular, &u, &vt, &work, count, &integers),
                "singular values")
            if isQuestion { work = [Double](repeating: 0, count: max(1, Int(work[0]))) }
        }
        return SingularValues(
            left: Matrix(rows: a.rows, columns: size, values: vt), values: singular,
            right: Matrix(rows: size, columns: a.columns, values: u))
    }

    /// `b` times the inverse of `a`, which is symmetric and positive definite.
    static func divide(_ b: Matrix, by a: Matrix) throws(CompositionError) -> Matrix {
        _ = BLAS.core
        precondition(a.rows == a.columns && b.columns == a.rows, "sizes differ")
        guard b.rows > 0, a.rows > 0 else { return b }
        var factor = a.values
        var solution = b.values
        try check(
            shim_solve_positive(Int32(a.rows), Int32(b.rows), &factor, &solution),
            "the solution of a least-squares problem")
        return Matrix(rows: b.rows, columns: b.columns, values: solution)
    }

    private static func check(_ status: Int32, _ what: String) throws(CompositionError) {
        guard status == 0 else {
            throw CompositionError(.notSolvable, "\(what): LAPACK reports \(status)")
        }
    }
}
