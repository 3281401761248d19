// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Inference
import LoadGeneration
import ModelLoading
import Workloads

/// Runs `body`; its error becomes a message and exit code 1.
func orComplain<Value>(_ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as InferenceError {
        complain(error.description)
    } catch let error as ModelLoadingError {
        complain(error.description)
    } catch let error as LoadError {
        complain(error.description)
    } catch let error as WorkloadError {
        complain(error.description)
    } catch let error as ReportError {
        complain(error.description)
    }
    throw ExitCode.failure
}

/// Writes a file whose path starts in the working folder.
///
/// - Returns: the absolute path.
@discardableResult
func writeFile(_ file: String, _ bytes: Data) throws -> String {
    let path = WorkingFolder.absolute(file)
    do {
        try bytes.write(to: URL(fileURLWithPath: path))
    } catch {
        complain("cannot write \(path): \(error.localizedDescription)")
        throw ExitCode.failure
    }
    return path
}

/// Writes a text to a file, or to standard output for `-`.
func writeOutput(_ file: String, _ text: String) throws {
    if file == "-" {
        say(text)
    } else {
        try writeFile(file, Data((text + "\n").utf8))
    }
}
