// SPDX-License-Identifier: Apache-2.0

/// Invocations of functions, in the format of Azure Functions 2021: `app,func,end_timestamp,duration`.
package enum AzureFunctionsTrace {
    static let header = "app,func,end_timestamp,duration"

    /// The most functions that are counted; the published trace has a few hundred.
    static let mostFunctions = 1 << 20

    /// How often each function of the file was invoked.
    package static func counts(in path: String) throws(WorkloadError) -> FunctionCounts {
        let reader = try LineReader(path)
        guard let first = try reader.next(), first.elementsEqual(header.utf8) else {
            throw reader.fault("expected the header '\(header)' of Azure Functions 2021")
        }
        var counts: [String: Double] = [:]
        while let line = try reader.next() {
            let row = try CommaRow(line, cells: 4, of: reader)
            // A function is named within its application.
            counts["\(row.text(0)),\(row.text(1))", default: 0] += 1
            guard counts.count <= mostFunctions else {
                throw reader.fault("there are more than \(mostFunctions) functions")
            }
        }
        guard !counts.isEmpty else { throw reader.fault("there is no invocation") }
        return FunctionCounts(Array(counts.values), source: path)
    }
}
