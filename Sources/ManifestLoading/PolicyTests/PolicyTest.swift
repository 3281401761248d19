// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A test of policies: what a fleet is given, and what its policies are expected to do.
///
/// It mirrors the document, as ``Manifest`` does. `PolicyTestSections` declares the keys.
package struct PolicyTest: Sendable, Equatable {
    package var apiVersion = Located("burrow/v1")
    package var kind = Located("PolicyTest")
    package var metadata = Manifest.Metadata()
    package var spec = Spec()

    package struct Spec: Sendable, Equatable {
        package var policies = Policies()
        package var given = Given()
        package var expect = Expectations()
    }

    /// Where the policies under test come from; nothing of it means those of the manifest that names
    /// the test.
    package struct Policies: Sendable, Equatable {
        /// A host's manifest whose pipeline is tested.
        package var manifest: Located<String>?
        package var search: [Located<String>] = []
        package var instances: [Manifest.PolicyInstance] = []
        package var pipeline: Manifest.Pipeline?
    }

    // MARK: - What is given

    package struct Given: Sendable, Equatable {
        package var seed = Located(UInt64(0))
        package var replicas = Replicas()
        package var adapters: [Adapter] = []
        package var tenants: [Tenant] = []
        package var serviceClasses: [Manifest.ServiceClass] = []
        package var requests: [Request] = []
        package var clock = Clock()
        package var costs = Costs()
    }

    package struct Replicas: Sendable, Equatable {
        package var count = Located(1)
        package var pages = Located(4096)
        package var maxBatch = Located(32)
        package var maxStepTokens = Located(512)
        package var stallBudget: Located<Duration>?
        package var adapterMemory = Located(ByteCount(1 << 30))
        package var mergedCopies = Located(1)
        package var queue = Located(1024)

        /// Whether they have their memory in common, as those of one host do.
        package var shared = Located(true)
    }

    package struct Adapter: Sendable, Equatable {
        package var name = Located("")
        package var rank = Located(16)
        package var bytes = Located(ByteCount(1 << 20))
        package var pinned = Located(false)
        package var weight = Located(1.0)

        /// The replicas where it lies from the start, and those that have a merged copy too.
        package var resident: [Located<Int>] = []
        package var merged: [Located<Int>] = []
    }

    package struct Tenant: Sendable, Equatable {
        package var name = Located("")
        package var weight = Located(1.0)
    }

    package struct Request: Sendable, Equatable {
        package var id = Located("")

        /// `nil` is the base.
        package var adapter: Located<String>?
        package var tenant: Located<String>?
        package var serviceClass: Located<String>?

        /// When it comes, on the clock of the test.
        package var at = Located(Duration.zero)
        package var prompt = Located(16)
        package var output = Located(8)
        package var generated = Located(0)
    }

    package struct Clock: Sendable, Equatable {
        /// When the first decision is taken; requests that came before wait until then.
        package var at = Located(Duration.zero)

        /// When the test ends, and after how many iterations at the latest.
        package var until: Located<Duration>?
        package var steps: Located<Int>?
    }

    /// What things cost; by default like a small model on a few processors.
    package struct Costs: Sendable, Equatable {
        package var step = Located(Duration.milliseconds(10))
        package var promptToken = Located(Duration.microseconds(100))
        package var decodeToken = Located(Duration.microseconds(500))
        package var attendedToken = Located(Duration.zero)
        package var rankToken = Located(Duration.microseconds(10))
        package var distinctRank = Located(Duration.microseconds(50))
        package var merge = Located(Duration.milliseconds(20))
        package var load = Located(Duration.milliseconds(2))
        package var loadMebibyte = Located(Duration.microseconds(500))

        /// Of sending a token's keys and values to another machine; `nil` where they are computed anew.
        package var handoverToken: Located<Duration>?
        package var solve = Located(Duration.zero)

        /// Whether replicas know all this from the start, instead of learning it.
        package var known = Located(false)
    }
}

// MARK: - What is expected

extension PolicyTest {
    /// Everything is left open that is not said.
    package struct Expectations: Sendable, Equatable {
        /// Requests in the order in which they are first run.
        package var order: Located<[String]>?
        package var iterations: [Iteration] = []

        /// Requests and the replica that takes each.
        package var replicas: [Named<Int>] = []

        /// Adapters in the order in which they leave memory.
        package var evicted: Located<[String]>?
        package var migrations: Located<[Migration]>?
        package var aborted: Located<[String]>?
        package var refused: Located<[String]>?

        /// Requests, and how long after their arrival they have their first and their last token.
        package var firstToken: [Named<DurationBounds>] = []
        package var finished: [Named<DurationBounds>] = []
        package var metrics: [Named<CountBounds>] = []
    }

    /// A value under a name that the document chooses.
    package struct Named<Value: Sendable & Equatable>: Sendable, Equatable {
        package var name: Located<String>
        package var value: Located<Value>
    }

    package struct Iteration: Sendable, Equatable {
        package var replica = Located(0)
        package var number = Located(1)
        package var mode: Located<Mode>?

        /// Who runs, in any order.
        package var runs: Located<[String]>?
    }

    package enum Mode: Sendable, Equatable {
        case unmerged
        case merged(String)
        case mixed(String)
    }

    package struct Migration: Sendable, Equatable {
        package var request = Located("")
        package var to = Located(0)
    }

    package struct DurationBounds: Sendable, Equatable {
        package var atLeast: Located<Duration>?
        package var atMost: Located<Duration>?
    }

    package struct CountBounds: Sendable, Equatable {
        package var atLeast: Located<Int>?
        package var atMost: Located<Int>?
    }

    /// What is counted over all replicas.
    package enum Metric: String, CaseIterable, Sendable {
        case iterations, switches, merges, loads, evictions, preemptions, migrations
        case unmergedInstead, completed, strikes
    }
}
