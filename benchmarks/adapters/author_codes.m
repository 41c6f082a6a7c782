% Calls one completion code of its authors, already installed on Octave's path, on one instance.
%   author_codes (folder, file, algorithm, steps, repeats)
% A first run keeps every iterate; the error over the whole matrix is computed from them, outside
% the clock. Then the number of steps that reached 1e-6 is run again, timed, keeping nothing.

function author_codes (folder, file, algorithm, steps, repeats)
  warning ("off", "all");
  addpath (genpath (folder));
  data = load (file);
  rows = double (data.rows(:)) + 1;  cols = double (data.cols(:)) + 1;
  [~, order] = sort (sub2ind (data.shape, rows, cols));   % the codes want column order
  data.rows = rows(order);  data.cols = cols(order);  data.values = double (data.values(:))(order);
  data.shape = double (data.shape);  data.rank = double (data.rank);

  [iterates, ~] = solve (algorithm, data, steps, true);
  trace = zeros (1, numel (iterates));
  for k = 1:numel (iterates)
    trace(k) = relative_error (iterates{k}, data);
  end
  reached = find (trace <= 1e-6, 1);
  answer.trace = trace;
  answer.final_error = trace(end);
  if ! isempty (reached)
    answer.steps = reached;
    for k = 1:repeats
      clock_start = tic;
      [last, own] = solve (algorithm, data, reached, false);
      answer.whole(k) = toc (clock_start);
      answer.own(k) = own;
      answer.error = relative_error (last{end}, data);
    end
  end
  printf ("\n@@@%s\n", jsonencode (answer));
end

function [iterates, own] = solve (algorithm, data, steps, keep)
  % `own` is the code's own clock (no starting point), the call as a whole is timed by the caller.
  d1 = data.shape(1);  d2 = data.shape(2);  r = data.rank;  y = data.values;
  omega = sub2ind ([d1, d2], data.rows, data.cols);
  tiny = 1e-15;
  switch (algorithm)
    case "LRGeomCG"
      prob = make_prob_Riem_adp (y, omega, d1, d2, r);
      prob.use_blas = false;               % the plain loops are the faster ones here
      opts = default_opts_Riem (steps, tiny);
      opts.verbosity = 0;  opts.saveiterates = keep;
      [U, S, V] = svds (prob.temp_omega, r);
      start.U = U;  start.sigma = diag (S);  start.V = V;
      [x, ~, ~, out, ~, times] = LRGeomCG_outp (prob, opts, prepx (prob, start));
      iterates = out.Xout;  own = times(end);
    case "R3MC"
      prob.d1 = d1;  prob.d2 = d2;  prob.r = r;  prob.y = y;
      prob.data_ls = struct ("rows", data.rows, "cols", data.cols, "entries", y, ...
                             "nentries", numel (y));
      opts = default_opts_R3MC ();
      opts.verbose = false;  opts.saveiterates = keep;  opts.N0_firstorder = steps;
      opts.tol = 1e-30;
      prob = initialize_R3MC (prob, false);
      [model, out] = R3MC_adp (prob, opts);
      iterates = {out.X{:}};  own = out.time(end);
      if ! keep, iterates = {out.X}; end
    case "RTRMC"
      opts = struct ("method", "rtr", "order", 2, "precon", true, "maxiter", steps, ...
                     "maxinner", 500, "tolgradnorm", 1e-30, "verbosity", 0, ...
                     "computeRMSE", false, "saveiterates", keep, "storedepth", 5);
      prob = buildproblem (data.rows, data.cols, y, ones (size (y)), d1, d2, r, 1e-8);
      [U, W, stats] = rtrmc (prob, opts, initialguess (prob));
      iterates = {{U, W.'}};  own = stats(end).time;
      if keep, iterates = arrayfun (@(s) {s.U, s.W.'}, stats(2:end), "UniformOutput", false); end
    case {"LMaFit", "LMaFit-dense"}
      opts = struct ("tol", tiny, "maxit", steps, "print", 0, "verbose", 0, "est_rank", 0, ...
                     "Zfull", strcmp (algorithm, "LMaFit-dense"), "saveiterates", keep);
      [~, ~, out] = lmafit_mc_adp (d1, d2, r, omega, y, opts);
      own = out.time(end);
      iterates = {{out.Xhist, out.Yhist.'}};
      if keep
        iterates = cellfun (@(x, y) {x, y.'}, out.Xhist, out.Yhist, "UniformOutput", false);
      end
    case {"ASD", "ScaledASD"}
      start = make_start_x_IHT_ASD (algorithm, d1, d2, r, omega, y);
      opts = opts_adapted (steps, tiny, 0, 0, keep);
      if strcmp (algorithm, "ASD")
        [iterates, out] = ASD_outp (d1, d2, r, omega, y, start, opts);
      else
        [iterates, out] = ScaledASD_outp (d1, d2, r, omega, y, start, opts);
      end
      own = out.time(end);
    case "MatrixIRLS"
      prob = struct ("d1", d1, "d2", d2, "r", r, "y", y);
      prob.Phi = sparse (data.rows, data.cols, 1, d1, d2);
      opts = getDefaultOpts_IRLS ();
      opts.N0 = steps;  opts.N0_inner = 500;  opts.tol = 1e-14;  opts.tol_CG = 1e-5;
      opts.verbose = 0;  opts.saveiterates = keep;  opts.R = min (d1, d2);
      [last, out] = MatrixIRLS (prob, 0, opts);
      iterates = {last};  own = out.time(end);
      if keep, iterates = out.X; end
    otherwise
      error ("unknown algorithm %s", algorithm);
  end
end

function e = relative_error (iterate, data)
  spare = 0;
  if isstruct (iterate)                    % MatrixIRLS: low rank plus values on the entries seen
    A = [iterate.U, iterate.U * iterate.Gam1 + iterate.Gam3];
    B = [iterate.Gam2.', iterate.V];
    s = iterate.res_range(:);
    at = sum (A(data.rows, :) .* B(data.cols, :), 2) - data.values;
    spare = 2 * (s.' * at) + s.' * s;
  else
    A = iterate{1};  B = iterate{2};
  end
  k = columns (A);
  [~, T1] = qr ([A, data.U], 0);
  [~, T2] = qr ([B, data.V], 0);
  truth = T1(:, k+1:end) * T2(:, k+1:end).';
  difference = T1(:, 1:k) * T2(:, 1:k).' - truth;
  e = sqrt (max (norm (difference, "fro") ^ 2 + spare, 0)) / norm (truth, "fro");
end
