// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// The threads of one replica, which run short loops together.
///
/// The caller of `parallel` takes part; only one thread may call it at a time. Between loops the
/// other members spin for some tens of microseconds and then sleep: an idle team uses no
/// processor. A member that comes late finds nothing to do, so the loop waits only for work that
/// was begun.
package final class ThreadTeam {
    /// How many threads there are, with the caller.
    package let memberCount: Int
    private let team: OpaquePointer

    /// A team whose members stay on `processors`, one for each, if they are given; the calling
    /// thread stays on the first from then on.
    package init(members: Int, processors: [Int]? = nil) throws(InferenceError) {
        guard (1...1024).contains(members) else {
            throw InferenceError(
                .invalidConfiguration, "a team has 1 to 1024 threads, not \(members)")
        }
        guard let processors else {
            team = try Self.create(members, on: nil)
            memberCount = members
            return
        }
        let places = processors.map { Int32(clamping: $0) }
        guard places.count == members, kernel_stay_on(places[0]) else {
            throw InferenceError(
                .invalidConfiguration,
                "\(members) threads cannot stay on the processors \(processors)")
        }
        team = try Self.create(members, on: places)
        memberCount = members
    }

    private static func create(
        _ members: Int, on processors: [Int32]?
    ) throws(InferenceError) -> OpaquePointer {
        guard let team = kernel_team_create(members, processors) else {
            let places = processors.map { " on the processors \($0)" } ?? ""
            throw InferenceError(
                .noThread, "the system started no \(members - 1) threads\(places); use fewer")
        }
        return team
    }

    /// The processors that this thread may run on, in order.
    package static var processors: [Int] {
        var numbers = [Int32](repeating: 0, count: 1024)
        let count = kernel_processors(&numbers, numbers.count)
        return numbers.prefix(count).map(Int.init)
    }

    deinit {
        kernel_team_destroy(team)
    }

    /// Calls `body` once for each index below `count`, in ascending order of beginning, on any
    /// member, and returns when all calls have. `member` is below `memberCount`.
    package func parallel(_ count: Int, _ body: (_ index: Int, _ member: Int) -> Void) {
        precondition(count >= 0 && count < 1 << 31, "a loop of \(count) indices")
        runLoop(team, count, body)
    }
}

/// `kernel_team_run` for a closure, which stays on the stack of the caller.
@_silgen_name("kernel_team_run_closure")
private func runLoop(
    _ team: OpaquePointer, _ count: Int, _ body: (_ index: Int, _ member: Int) -> Void)
