"""Written by `make docs` from policy.schema.json; nobody edits it. `domain.policy` says what it finds.

Of the schema 9ea080facd4ad6ffc03828b49d7d73e9ed3c75ab446b25e29e8a53902a3b69be.
The code is fastjsonschema's. Copyright (c) 2018, Michal Horejsek, BSD 3-Clause License.
"""

import re
from decimal import Decimal
from typing import Any

from orchestration.domain.schema_fault import SchemaFault

REGEX_PATTERNS = {'^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$': re.compile('^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?\\Z'), '^(hold|ignore)$': re.compile('^(hold|ignore)\\Z'), '^(data_type|completeness|categorical_values)(_check)?$': re.compile('^(data_type|completeness|categorical_values)(_check)?$'), '^(missing_column|extra_column)(_check)?$': re.compile('^(missing_column|extra_column)(_check)?$'), '^ *[!-)+-~][ -)+-~]*\\*?$': re.compile('^ *[!-)+-~][ -)+-~]*\\*?\\Z'), '\\S': re.compile('\\S')}


def check(data: Any) -> Any:
 if not isinstance(data, dict):
  raise SchemaFault('data', ' must be object', data, 'type', None)
 data_is_dict = isinstance(data, dict)
 if data_is_dict:
  data__missing_keys = set(['schema_version', 'model']) - data.keys()
  if data__missing_keys:
   raise SchemaFault('data', ' must contain ' + (str(sorted(data__missing_keys)) + ' properties'), data, 'required', ['schema_version', 'model'])
  data_keys = set(data.keys())
  if 'schema_version' in data_keys:
   data_keys.remove('schema_version')
   data__schemaversion = data['schema_version']
   if not (isinstance(data__schemaversion, (int, float)) and (not isinstance(data__schemaversion, bool)) and (data__schemaversion == 1)):
    raise SchemaFault('data.schema_version', ' must be same as const definition: 1', data__schemaversion, 'const', 1)
  if 'model' in data_keys:
   data_keys.remove('model')
   data__model = data['model']
   if not isinstance(data__model, str):
    raise SchemaFault('data.model', ' must be string', data__model, 'type', None)
   if isinstance(data__model, str):
    if not REGEX_PATTERNS['^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$'].search(data__model):
     raise SchemaFault('data.model', ' must match pattern ^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$', data__model, 'pattern', None)
  if 'mode' in data_keys:
   data_keys.remove('mode')
   data__mode = data['mode']
   if not (isinstance(data__mode, str) and data__mode == 'active' or (isinstance(data__mode, str) and data__mode == 'shadow')):
    raise SchemaFault('data.mode', " must be one of ['active', 'shadow']", data__mode, 'enum', ['active', 'shadow'])
  if 'severity' in data_keys:
   data_keys.remove('severity')
   data__severity = data['severity']
   if not isinstance(data__severity, dict):
    raise SchemaFault('data.severity', ' must be object', data__severity, 'type', None)
   data__severity_is_dict = isinstance(data__severity, dict)
   if data__severity_is_dict:
    data__severity_keys = set(data__severity.keys())
    if 'warning' in data__severity_keys:
     data__severity_keys.remove('warning')
     data__severity__warning = data__severity['warning']
     if not isinstance(data__severity__warning, (int, float, Decimal)) or isinstance(data__severity__warning, bool):
      raise SchemaFault('data.severity.warning', ' must be number', data__severity__warning, 'type', None)
     if isinstance(data__severity__warning, (int, float, Decimal)) and (not isinstance(data__severity__warning, bool)):
      if data__severity__warning < 0:
       raise SchemaFault('data.severity.warning', ' must be bigger than or equal to 0', data__severity__warning, 'minimum', None)
    if 'critical' in data__severity_keys:
     data__severity_keys.remove('critical')
     data__severity__critical = data__severity['critical']
     if not isinstance(data__severity__critical, (int, float, Decimal)) or isinstance(data__severity__critical, bool):
      raise SchemaFault('data.severity.critical', ' must be number', data__severity__critical, 'type', None)
     if isinstance(data__severity__critical, (int, float, Decimal)) and (not isinstance(data__severity__critical, bool)):
      if data__severity__critical < 0:
       raise SchemaFault('data.severity.critical', ' must be bigger than or equal to 0', data__severity__critical, 'minimum', None)
    if data__severity_keys:
     raise SchemaFault('data.severity', ' must not contain ' + str(data__severity_keys) + ' properties', data__severity, 'additionalProperties', None)
  if 'actions' in data_keys:
   data_keys.remove('actions')
   data__actions = data['actions']
   if not isinstance(data__actions, dict):
    raise SchemaFault('data.actions', ' must be object', data__actions, 'type', None)
   data__actions_is_dict = isinstance(data__actions, dict)
   if data__actions_is_dict:
    data__actions_keys = set(data__actions.keys())
    if 'info' in data__actions_keys:
     data__actions_keys.remove('info')
     data__actions__info = data__actions['info']
     if not (isinstance(data__actions__info, str) and data__actions__info == 'observe' or (isinstance(data__actions__info, str) and data__actions__info == 'approve') or (isinstance(data__actions__info, str) and data__actions__info == 'retrain')):
      raise SchemaFault('data.actions.info', " must be one of ['observe', 'approve', 'retrain']", data__actions__info, 'enum', ['observe', 'approve', 'retrain'])
    if 'warning' in data__actions_keys:
     data__actions_keys.remove('warning')
     data__actions__warning = data__actions['warning']
     if not (isinstance(data__actions__warning, str) and data__actions__warning == 'observe' or (isinstance(data__actions__warning, str) and data__actions__warning == 'approve') or (isinstance(data__actions__warning, str) and data__actions__warning == 'retrain')):
      raise SchemaFault('data.actions.warning', " must be one of ['observe', 'approve', 'retrain']", data__actions__warning, 'enum', ['observe', 'approve', 'retrain'])
    if 'critical' in data__actions_keys:
     data__actions_keys.remove('critical')
     data__actions__critical = data__actions['critical']
     if not (isinstance(data__actions__critical, str) and data__actions__critical == 'observe' or (isinstance(data__actions__critical, str) and data__actions__critical == 'approve') or (isinstance(data__actions__critical, str) and data__actions__critical == 'retrain')):
      raise SchemaFault('data.actions.critical', " must be one of ['observe', 'approve', 'retrain']", data__actions__critical, 'enum', ['observe', 'approve', 'retrain'])
    if data__actions_keys:
     raise SchemaFault('data.actions', ' must not contain ' + str(data__actions_keys) + ' properties', data__actions, 'additionalProperties', None)
  if 'data_quality' in data_keys:
   data_keys.remove('data_quality')
   data__dataquality = data['data_quality']
   if not isinstance(data__dataquality, (str, dict)):
    raise SchemaFault('data.data_quality', ' must be string or object', data__dataquality, 'type', None)
   if isinstance(data__dataquality, str):
    if not REGEX_PATTERNS['^(hold|ignore)$'].search(data__dataquality):
     raise SchemaFault('data.data_quality', ' must match pattern ^(hold|ignore)$', data__dataquality, 'pattern', None)
   data__dataquality_is_dict = isinstance(data__dataquality, dict)
   if data__dataquality_is_dict:
    data__dataquality_keys = set(data__dataquality.keys())
    for data__dataquality_key, data__dataquality_val in data__dataquality.items():
     if REGEX_PATTERNS['^(data_type|completeness|categorical_values)(_check)?$'].search(data__dataquality_key):
      if data__dataquality_key in data__dataquality_keys:
       data__dataquality_keys.remove(data__dataquality_key)
      if not isinstance(data__dataquality_val, (str, int, float, Decimal)) or isinstance(data__dataquality_val, bool):
       raise SchemaFault('data' + '.data_quality.{data__dataquality_key}'.format(**locals()), ' must be string or number', data__dataquality_val, 'type', None)
      if isinstance(data__dataquality_val, str):
       if not REGEX_PATTERNS['^(hold|ignore)$'].search(data__dataquality_val):
        raise SchemaFault('data' + '.data_quality.{data__dataquality_key}'.format(**locals()), ' must match pattern ^(hold|ignore)$', data__dataquality_val, 'pattern', None)
      if isinstance(data__dataquality_val, (int, float, Decimal)) and (not isinstance(data__dataquality_val, bool)):
       if data__dataquality_val < 0:
        raise SchemaFault('data' + '.data_quality.{data__dataquality_key}'.format(**locals()), ' must be bigger than or equal to 0', data__dataquality_val, 'minimum', None)
       if data__dataquality_val > 1:
        raise SchemaFault('data' + '.data_quality.{data__dataquality_key}'.format(**locals()), ' must be smaller than or equal to 1', data__dataquality_val, 'maximum', None)
     if REGEX_PATTERNS['^(missing_column|extra_column)(_check)?$'].search(data__dataquality_key):
      if data__dataquality_key in data__dataquality_keys:
       data__dataquality_keys.remove(data__dataquality_key)
      if not (isinstance(data__dataquality_val, str) and data__dataquality_val == 'hold' or (isinstance(data__dataquality_val, str) and data__dataquality_val == 'ignore')):
       raise SchemaFault('data' + '.data_quality.{data__dataquality_key}'.format(**locals()), " must be one of ['hold', 'ignore']", data__dataquality_val, 'enum', ['hold', 'ignore'])
    if data__dataquality_keys:
     raise SchemaFault('data.data_quality', ' must not contain ' + str(data__dataquality_keys) + ' properties', data__dataquality, 'additionalProperties', None)
  if 'decision_file' in data_keys:
   data_keys.remove('decision_file')
   data__decisionfile = data['decision_file']
   if not (isinstance(data__decisionfile, str) and data__decisionfile == 'critical' or (isinstance(data__decisionfile, str) and data__decisionfile == 'trusted')):
    raise SchemaFault('data.decision_file', " must be one of ['critical', 'trusted']", data__decisionfile, 'enum', ['critical', 'trusted'])
  if 'monitoring' in data_keys:
   data_keys.remove('monitoring')
   data__monitoring = data['monitoring']
   if not isinstance(data__monitoring, dict):
    raise SchemaFault('data.monitoring', ' must be object', data__monitoring, 'type', None)
   data__monitoring_is_dict = isinstance(data__monitoring, dict)
   if data__monitoring_is_dict:
    data__monitoring_keys = set(data__monitoring.keys())
    if 'expect_every_hours' in data__monitoring_keys:
     data__monitoring_keys.remove('expect_every_hours')
     data__monitoring__expecteveryhours = data__monitoring['expect_every_hours']
     if not isinstance(data__monitoring__expecteveryhours, (int, float, Decimal)) or isinstance(data__monitoring__expecteveryhours, bool):
      raise SchemaFault('data.monitoring.expect_every_hours', ' must be number', data__monitoring__expecteveryhours, 'type', None)
     if isinstance(data__monitoring__expecteveryhours, (int, float, Decimal)) and (not isinstance(data__monitoring__expecteveryhours, bool)):
      if data__monitoring__expecteveryhours < 1:
       raise SchemaFault('data.monitoring.expect_every_hours', ' must be bigger than or equal to 1', data__monitoring__expecteveryhours, 'minimum', None)
      if data__monitoring__expecteveryhours > 8760:
       raise SchemaFault('data.monitoring.expect_every_hours', ' must be smaller than or equal to 8760', data__monitoring__expecteveryhours, 'maximum', None)
    if data__monitoring_keys:
     raise SchemaFault('data.monitoring', ' must not contain ' + str(data__monitoring_keys) + ' properties', data__monitoring, 'additionalProperties', None)
  if 'voters' in data_keys:
   data_keys.remove('voters')
   data__voters = data['voters']
   if not isinstance(data__voters, (list, tuple)):
    raise SchemaFault('data.voters', ' must be array', data__voters, 'type', None)
   data__voters_is_list = isinstance(data__voters, (list, tuple))
   if data__voters_is_list:
    data__voters_len = len(data__voters)
    if data__voters_len > 50:
     raise SchemaFault('data.voters', ' must contain less than or equal to 50 items', data__voters, 'maxItems', None)
    for data__voters_x, data__voters_item in enumerate(data__voters):
     if not isinstance(data__voters_item, str):
      raise SchemaFault('data' + '.voters[{data__voters_x}]'.format(**locals()), ' must be string', data__voters_item, 'type', None)
     if isinstance(data__voters_item, str):
      data__voters_item_len = len(data__voters_item)
      if data__voters_item_len < 1:
       raise SchemaFault('data' + '.voters[{data__voters_x}]'.format(**locals()), ' must be longer than or equal to 1 characters', data__voters_item, 'minLength', None)
      if data__voters_item_len > 300:
       raise SchemaFault('data' + '.voters[{data__voters_x}]'.format(**locals()), ' must be shorter than or equal to 300 characters', data__voters_item, 'maxLength', None)
      if not REGEX_PATTERNS['^ *[!-)+-~][ -)+-~]*\\*?$'].search(data__voters_item):
       raise SchemaFault('data' + '.voters[{data__voters_x}]'.format(**locals()), ' must match pattern ^ *[!-)+-~][ -)+-~]*\\*?$', data__voters_item, 'pattern', None)
  if 'cooldown_hours' in data_keys:
   data_keys.remove('cooldown_hours')
   data__cooldownhours = data['cooldown_hours']
   if not isinstance(data__cooldownhours, (int, float, Decimal)) or isinstance(data__cooldownhours, bool):
    raise SchemaFault('data.cooldown_hours', ' must be number', data__cooldownhours, 'type', None)
   if isinstance(data__cooldownhours, (int, float, Decimal)) and (not isinstance(data__cooldownhours, bool)):
    if data__cooldownhours < 0:
     raise SchemaFault('data.cooldown_hours', ' must be bigger than or equal to 0', data__cooldownhours, 'minimum', None)
    if data__cooldownhours > 8760:
     raise SchemaFault('data.cooldown_hours', ' must be smaller than or equal to 8760', data__cooldownhours, 'maximum', None)
  if 'budget' in data_keys:
   data_keys.remove('budget')
   data__budget = data['budget']
   if not isinstance(data__budget, dict):
    raise SchemaFault('data.budget', ' must be object', data__budget, 'type', None)
   data__budget_is_dict = isinstance(data__budget, dict)
   if data__budget_is_dict:
    data__budget_keys = set(data__budget.keys())
    if 'runs' in data__budget_keys:
     data__budget_keys.remove('runs')
     data__budget__runs = data__budget['runs']
     if not isinstance(data__budget__runs, int) and (not (isinstance(data__budget__runs, float) and data__budget__runs.is_integer())) or isinstance(data__budget__runs, bool):
      raise SchemaFault('data.budget.runs', ' must be integer', data__budget__runs, 'type', None)
     if isinstance(data__budget__runs, (int, float, Decimal)) and (not isinstance(data__budget__runs, bool)):
      if data__budget__runs < 0:
       raise SchemaFault('data.budget.runs', ' must be bigger than or equal to 0', data__budget__runs, 'minimum', None)
      if data__budget__runs > 1000:
       raise SchemaFault('data.budget.runs', ' must be smaller than or equal to 1000', data__budget__runs, 'maximum', None)
    if 'days' in data__budget_keys:
     data__budget_keys.remove('days')
     data__budget__days = data__budget['days']
     if not isinstance(data__budget__days, (int, float, Decimal)) or isinstance(data__budget__days, bool):
      raise SchemaFault('data.budget.days', ' must be number', data__budget__days, 'type', None)
     if isinstance(data__budget__days, (int, float, Decimal)) and (not isinstance(data__budget__days, bool)):
      if data__budget__days > 366:
       raise SchemaFault('data.budget.days', ' must be smaller than or equal to 366', data__budget__days, 'maximum', None)
      if data__budget__days <= 0:
       raise SchemaFault('data.budget.days', ' must be bigger than 0', data__budget__days, 'exclusiveMinimum', None)
    if data__budget_keys:
     raise SchemaFault('data.budget', ' must not contain ' + str(data__budget_keys) + ' properties', data__budget, 'additionalProperties', None)
  if 'breaker' in data_keys:
   data_keys.remove('breaker')
   data__breaker = data['breaker']
   if not isinstance(data__breaker, dict):
    raise SchemaFault('data.breaker', ' must be object', data__breaker, 'type', None)
   data__breaker_is_dict = isinstance(data__breaker, dict)
   if data__breaker_is_dict:
    data__breaker_keys = set(data__breaker.keys())
    if 'fruitless_runs' in data__breaker_keys:
     data__breaker_keys.remove('fruitless_runs')
     data__breaker__fruitlessruns = data__breaker['fruitless_runs']
     if not isinstance(data__breaker__fruitlessruns, int) and (not (isinstance(data__breaker__fruitlessruns, float) and data__breaker__fruitlessruns.is_integer())) or isinstance(data__breaker__fruitlessruns, bool):
      raise SchemaFault('data.breaker.fruitless_runs', ' must be integer', data__breaker__fruitlessruns, 'type', None)
     if isinstance(data__breaker__fruitlessruns, (int, float, Decimal)) and (not isinstance(data__breaker__fruitlessruns, bool)):
      if data__breaker__fruitlessruns < 0:
       raise SchemaFault('data.breaker.fruitless_runs', ' must be bigger than or equal to 0', data__breaker__fruitlessruns, 'minimum', None)
      if data__breaker__fruitlessruns > 100:
       raise SchemaFault('data.breaker.fruitless_runs', ' must be smaller than or equal to 100', data__breaker__fruitlessruns, 'maximum', None)
    if 'drift_again_hours' in data__breaker_keys:
     data__breaker_keys.remove('drift_again_hours')
     data__breaker__driftagainhours = data__breaker['drift_again_hours']
     if not isinstance(data__breaker__driftagainhours, (int, float, Decimal)) or isinstance(data__breaker__driftagainhours, bool):
      raise SchemaFault('data.breaker.drift_again_hours', ' must be number', data__breaker__driftagainhours, 'type', None)
     if isinstance(data__breaker__driftagainhours, (int, float, Decimal)) and (not isinstance(data__breaker__driftagainhours, bool)):
      if data__breaker__driftagainhours < 0:
       raise SchemaFault('data.breaker.drift_again_hours', ' must be bigger than or equal to 0', data__breaker__driftagainhours, 'minimum', None)
      if data__breaker__driftagainhours > 8760:
       raise SchemaFault('data.breaker.drift_again_hours', ' must be smaller than or equal to 8760', data__breaker__driftagainhours, 'maximum', None)
    if data__breaker_keys:
     raise SchemaFault('data.breaker', ' must not contain ' + str(data__breaker_keys) + ' properties', data__breaker, 'additionalProperties', None)
  if 'training' in data_keys:
   data_keys.remove('training')
   data__training = data['training']
   if not isinstance(data__training, dict):
    raise SchemaFault('data.training', ' must be object', data__training, 'type', None)
   data__training_is_dict = isinstance(data__training, dict)
   if data__training_is_dict:
    data__training_keys = set(data__training.keys())
    if 'target' in data__training_keys:
     data__training_keys.remove('target')
     data__training__target = data__training['target']
     if not isinstance(data__training__target, str):
      raise SchemaFault('data.training.target', ' must be string', data__training__target, 'type', None)
     if isinstance(data__training__target, str):
      data__training__target_len = len(data__training__target)
      if data__training__target_len < 1:
       raise SchemaFault('data.training.target', ' must be longer than or equal to 1 characters', data__training__target, 'minLength', None)
      if data__training__target_len > 2048:
       raise SchemaFault('data.training.target', ' must be shorter than or equal to 2048 characters', data__training__target, 'maxLength', None)
    if 'input' in data__training_keys:
     data__training_keys.remove('input')
     data__training__input = data__training['input']
     if not isinstance(data__training__input, dict):
      raise SchemaFault('data.training.input', ' must be object', data__training__input, 'type', None)
    if 'parameters' in data__training_keys:
     data__training_keys.remove('parameters')
     data__training__parameters = data__training['parameters']
     if not isinstance(data__training__parameters, dict):
      raise SchemaFault('data.training.parameters', ' must be object', data__training__parameters, 'type', None)
     data__training__parameters_is_dict = isinstance(data__training__parameters, dict)
     if data__training__parameters_is_dict:
      data__training__parameters_keys = set(data__training__parameters.keys())
      for data__training__parameters_key in data__training__parameters_keys:
       if data__training__parameters_key not in []:
        data__training__parameters_value = data__training__parameters.get(data__training__parameters_key)
        if not isinstance(data__training__parameters_value, str):
         raise SchemaFault('data' + '.training.parameters.{data__training__parameters_key}'.format(**locals()), ' must be string', data__training__parameters_value, 'type', None)
        if isinstance(data__training__parameters_value, str):
         data__training__parameters_value_len = len(data__training__parameters_value)
         if data__training__parameters_value_len > 1024:
          raise SchemaFault('data' + '.training.parameters.{data__training__parameters_key}'.format(**locals()), ' must be shorter than or equal to 1024 characters', data__training__parameters_value, 'maxLength', None)
    if 'request' in data__training_keys:
     data__training_keys.remove('request')
     data__training__request = data__training['request']
     if not isinstance(data__training__request, dict):
      raise SchemaFault('data.training.request', ' must be object', data__training__request, 'type', None)
    if 'max_hours' in data__training_keys:
     data__training_keys.remove('max_hours')
     data__training__maxhours = data__training['max_hours']
     if not isinstance(data__training__maxhours, (int, float, Decimal)) or isinstance(data__training__maxhours, bool):
      raise SchemaFault('data.training.max_hours', ' must be number', data__training__maxhours, 'type', None)
     if isinstance(data__training__maxhours, (int, float, Decimal)) and (not isinstance(data__training__maxhours, bool)):
      if data__training__maxhours > 672:
       raise SchemaFault('data.training.max_hours', ' must be smaller than or equal to 672', data__training__maxhours, 'maximum', None)
      if data__training__maxhours <= 0:
       raise SchemaFault('data.training.max_hours', ' must be bigger than 0', data__training__maxhours, 'exclusiveMinimum', None)
    if 'slot_while_waiting' in data__training_keys:
     data__training_keys.remove('slot_while_waiting')
     data__training__slotwhilewaiting = data__training['slot_while_waiting']
     if not (isinstance(data__training__slotwhilewaiting, str) and data__training__slotwhilewaiting == 'keep' or (isinstance(data__training__slotwhilewaiting, str) and data__training__slotwhilewaiting == 'give_back')):
      raise SchemaFault('data.training.slot_while_waiting', " must be one of ['keep', 'give_back']", data__training__slotwhilewaiting, 'enum', ['keep', 'give_back'])
    if data__training_keys:
     raise SchemaFault('data.training', ' must not contain ' + str(data__training_keys) + ' properties', data__training, 'additionalProperties', None)
  if 'evaluation' in data_keys:
   data_keys.remove('evaluation')
   data__evaluation = data['evaluation']
   if not isinstance(data__evaluation, dict):
    raise SchemaFault('data.evaluation', ' must be object', data__evaluation, 'type', None)
   data__evaluation_is_dict = isinstance(data__evaluation, dict)
   if data__evaluation_is_dict:
    data__evaluation_keys = set(data__evaluation.keys())
    if 'metric' in data__evaluation_keys:
     data__evaluation_keys.remove('metric')
     data__evaluation__metric = data__evaluation['metric']
     if not isinstance(data__evaluation__metric, str):
      raise SchemaFault('data.evaluation.metric', ' must be string', data__evaluation__metric, 'type', None)
     if isinstance(data__evaluation__metric, str):
      data__evaluation__metric_len = len(data__evaluation__metric)
      if data__evaluation__metric_len < 1:
       raise SchemaFault('data.evaluation.metric', ' must be longer than or equal to 1 characters', data__evaluation__metric, 'minLength', None)
      if data__evaluation__metric_len > 100:
       raise SchemaFault('data.evaluation.metric', ' must be shorter than or equal to 100 characters', data__evaluation__metric, 'maxLength', None)
    if 'minimum' in data__evaluation_keys:
     data__evaluation_keys.remove('minimum')
     data__evaluation__minimum = data__evaluation['minimum']
     if not isinstance(data__evaluation__minimum, (int, float, Decimal)) or isinstance(data__evaluation__minimum, bool):
      raise SchemaFault('data.evaluation.minimum', ' must be number', data__evaluation__minimum, 'type', None)
    if 'champion' in data__evaluation_keys:
     data__evaluation_keys.remove('champion')
     data__evaluation__champion = data__evaluation['champion']
     if not (isinstance(data__evaluation__champion, str) and data__evaluation__champion == 'endpoint' or (isinstance(data__evaluation__champion, str) and data__evaluation__champion == 'last_promoted') or (isinstance(data__evaluation__champion, str) and data__evaluation__champion == 'none')):
      raise SchemaFault('data.evaluation.champion', " must be one of ['endpoint', 'last_promoted', 'none']", data__evaluation__champion, 'enum', ['endpoint', 'last_promoted', 'none'])
    if 'min_improvement' in data__evaluation_keys:
     data__evaluation_keys.remove('min_improvement')
     data__evaluation__minimprovement = data__evaluation['min_improvement']
     if not isinstance(data__evaluation__minimprovement, (int, float, Decimal)) or isinstance(data__evaluation__minimprovement, bool):
      raise SchemaFault('data.evaluation.min_improvement', ' must be number', data__evaluation__minimprovement, 'type', None)
    if 'confidence' in data__evaluation_keys:
     data__evaluation_keys.remove('confidence')
     data__evaluation__confidence = data__evaluation['confidence']
     if not isinstance(data__evaluation__confidence, (int, float, Decimal)) or isinstance(data__evaluation__confidence, bool):
      raise SchemaFault('data.evaluation.confidence', ' must be number', data__evaluation__confidence, 'type', None)
     if isinstance(data__evaluation__confidence, (int, float, Decimal)) and (not isinstance(data__evaluation__confidence, bool)):
      if data__evaluation__confidence <= 0.5:
       raise SchemaFault('data.evaluation.confidence', ' must be bigger than 0.5', data__evaluation__confidence, 'exclusiveMinimum', None)
      if data__evaluation__confidence >= 1:
       raise SchemaFault('data.evaluation.confidence', ' must be smaller than 1', data__evaluation__confidence, 'exclusiveMaximum', None)
    if 'lower_is_better' in data__evaluation_keys:
     data__evaluation_keys.remove('lower_is_better')
     data__evaluation__lowerisbetter = data__evaluation['lower_is_better']
     if not isinstance(data__evaluation__lowerisbetter, bool):
      raise SchemaFault('data.evaluation.lower_is_better', ' must be boolean', data__evaluation__lowerisbetter, 'type', None)
    if 'guards' in data__evaluation_keys:
     data__evaluation_keys.remove('guards')
     data__evaluation__guards = data__evaluation['guards']
     if not isinstance(data__evaluation__guards, (list, tuple)):
      raise SchemaFault('data.evaluation.guards', ' must be array', data__evaluation__guards, 'type', None)
     data__evaluation__guards_is_list = isinstance(data__evaluation__guards, (list, tuple))
     if data__evaluation__guards_is_list:
      data__evaluation__guards_len = len(data__evaluation__guards)
      if data__evaluation__guards_len > 50:
       raise SchemaFault('data.evaluation.guards', ' must contain less than or equal to 50 items', data__evaluation__guards, 'maxItems', None)
      for data__evaluation__guards_x, data__evaluation__guards_item in enumerate(data__evaluation__guards):
       if not isinstance(data__evaluation__guards_item, dict):
        raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}]'.format(**locals()), ' must be object', data__evaluation__guards_item, 'type', None)
       data__evaluation__guards_item_is_dict = isinstance(data__evaluation__guards_item, dict)
       if data__evaluation__guards_item_is_dict:
        data__evaluation__guards_item__missing_keys = set(['metric']) - data__evaluation__guards_item.keys()
        if data__evaluation__guards_item__missing_keys:
         raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}]'.format(**locals()), ' must contain ' + (str(sorted(data__evaluation__guards_item__missing_keys)) + ' properties'), data__evaluation__guards_item, 'required', ['metric'])
        data__evaluation__guards_item_keys = set(data__evaluation__guards_item.keys())
        if 'metric' in data__evaluation__guards_item_keys:
         data__evaluation__guards_item_keys.remove('metric')
         data__evaluation__guards_item__metric = data__evaluation__guards_item['metric']
         if not isinstance(data__evaluation__guards_item__metric, str):
          raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].metric'.format(**locals()), ' must be string', data__evaluation__guards_item__metric, 'type', None)
         if isinstance(data__evaluation__guards_item__metric, str):
          data__evaluation__guards_item__metric_len = len(data__evaluation__guards_item__metric)
          if data__evaluation__guards_item__metric_len < 1:
           raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].metric'.format(**locals()), ' must be longer than or equal to 1 characters', data__evaluation__guards_item__metric, 'minLength', None)
          if data__evaluation__guards_item__metric_len > 100:
           raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].metric'.format(**locals()), ' must be shorter than or equal to 100 characters', data__evaluation__guards_item__metric, 'maxLength', None)
        if 'minimum' in data__evaluation__guards_item_keys:
         data__evaluation__guards_item_keys.remove('minimum')
         data__evaluation__guards_item__minimum = data__evaluation__guards_item['minimum']
         if not isinstance(data__evaluation__guards_item__minimum, (int, float, Decimal)) or isinstance(data__evaluation__guards_item__minimum, bool):
          raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].minimum'.format(**locals()), ' must be number', data__evaluation__guards_item__minimum, 'type', None)
        if 'max_regression' in data__evaluation__guards_item_keys:
         data__evaluation__guards_item_keys.remove('max_regression')
         data__evaluation__guards_item__maxregression = data__evaluation__guards_item['max_regression']
         if not isinstance(data__evaluation__guards_item__maxregression, (int, float, Decimal)) or isinstance(data__evaluation__guards_item__maxregression, bool):
          raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].max_regression'.format(**locals()), ' must be number', data__evaluation__guards_item__maxregression, 'type', None)
         if isinstance(data__evaluation__guards_item__maxregression, (int, float, Decimal)) and (not isinstance(data__evaluation__guards_item__maxregression, bool)):
          if data__evaluation__guards_item__maxregression < 0:
           raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].max_regression'.format(**locals()), ' must be bigger than or equal to 0', data__evaluation__guards_item__maxregression, 'minimum', None)
        if 'slice' in data__evaluation__guards_item_keys:
         data__evaluation__guards_item_keys.remove('slice')
         data__evaluation__guards_item__slice = data__evaluation__guards_item['slice']
         if not isinstance(data__evaluation__guards_item__slice, str):
          raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].slice'.format(**locals()), ' must be string', data__evaluation__guards_item__slice, 'type', None)
         if isinstance(data__evaluation__guards_item__slice, str):
          data__evaluation__guards_item__slice_len = len(data__evaluation__guards_item__slice)
          if data__evaluation__guards_item__slice_len > 100:
           raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].slice'.format(**locals()), ' must be shorter than or equal to 100 characters', data__evaluation__guards_item__slice, 'maxLength', None)
        if 'lower_is_better' in data__evaluation__guards_item_keys:
         data__evaluation__guards_item_keys.remove('lower_is_better')
         data__evaluation__guards_item__lowerisbetter = data__evaluation__guards_item['lower_is_better']
         if not isinstance(data__evaluation__guards_item__lowerisbetter, bool):
          raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}].lower_is_better'.format(**locals()), ' must be boolean', data__evaluation__guards_item__lowerisbetter, 'type', None)
        if data__evaluation__guards_item_keys:
         raise SchemaFault('data' + '.evaluation.guards[{data__evaluation__guards_x}]'.format(**locals()), ' must not contain ' + str(data__evaluation__guards_item_keys) + ' properties', data__evaluation__guards_item, 'additionalProperties', None)
    if data__evaluation_keys:
     raise SchemaFault('data.evaluation', ' must not contain ' + str(data__evaluation_keys) + ' properties', data__evaluation, 'additionalProperties', None)
  if 'approval' in data_keys:
   data_keys.remove('approval')
   data__approval = data['approval']
   if not isinstance(data__approval, dict):
    raise SchemaFault('data.approval', ' must be object', data__approval, 'type', None)
   data__approval_is_dict = isinstance(data__approval, dict)
   if data__approval_is_dict:
    data__approval_keys = set(data__approval.keys())
    if 'training' in data__approval_keys:
     data__approval_keys.remove('training')
     data__approval__training = data__approval['training']
     if not (isinstance(data__approval__training, str) and data__approval__training == 'never' or (isinstance(data__approval__training, str) and data__approval__training == 'always') or (isinstance(data__approval__training, str) and data__approval__training == 'by-severity')):
      raise SchemaFault('data.approval.training', " must be one of ['never', 'always', 'by-severity']", data__approval__training, 'enum', ['never', 'always', 'by-severity'])
    if 'promotion' in data__approval_keys:
     data__approval_keys.remove('promotion')
     data__approval__promotion = data__approval['promotion']
     if not (isinstance(data__approval__promotion, str) and data__approval__promotion == 'never' or (isinstance(data__approval__promotion, str) and data__approval__promotion == 'always') or (isinstance(data__approval__promotion, str) and data__approval__promotion == 'by-severity')):
      raise SchemaFault('data.approval.promotion', " must be one of ['never', 'always', 'by-severity']", data__approval__promotion, 'enum', ['never', 'always', 'by-severity'])
    if 'approvals_needed' in data__approval_keys:
     data__approval_keys.remove('approvals_needed')
     data__approval__approvalsneeded = data__approval['approvals_needed']
     if not isinstance(data__approval__approvalsneeded, int) and (not (isinstance(data__approval__approvalsneeded, float) and data__approval__approvalsneeded.is_integer())) or isinstance(data__approval__approvalsneeded, bool):
      raise SchemaFault('data.approval.approvals_needed', ' must be integer', data__approval__approvalsneeded, 'type', None)
     if isinstance(data__approval__approvalsneeded, (int, float, Decimal)) and (not isinstance(data__approval__approvalsneeded, bool)):
      if data__approval__approvalsneeded < 1:
       raise SchemaFault('data.approval.approvals_needed', ' must be bigger than or equal to 1', data__approval__approvalsneeded, 'minimum', None)
      if data__approval__approvalsneeded > 2:
       raise SchemaFault('data.approval.approvals_needed', ' must be smaller than or equal to 2', data__approval__approvalsneeded, 'maximum', None)
    if 'channel' in data__approval_keys:
     data__approval_keys.remove('channel')
     data__approval__channel = data__approval['channel']
     if not (isinstance(data__approval__channel, str) and data__approval__channel == 'never' or (isinstance(data__approval__channel, str) and data__approval__channel == 'not_critical') or (isinstance(data__approval__channel, str) and data__approval__channel == 'always')):
      raise SchemaFault('data.approval.channel', " must be one of ['never', 'not_critical', 'always']", data__approval__channel, 'enum', ['never', 'not_critical', 'always'])
    if 'remind_hours' in data__approval_keys:
     data__approval_keys.remove('remind_hours')
     data__approval__remindhours = data__approval['remind_hours']
     if not isinstance(data__approval__remindhours, (int, float, Decimal)) or isinstance(data__approval__remindhours, bool):
      raise SchemaFault('data.approval.remind_hours', ' must be number', data__approval__remindhours, 'type', None)
     if isinstance(data__approval__remindhours, (int, float, Decimal)) and (not isinstance(data__approval__remindhours, bool)):
      if data__approval__remindhours > 720:
       raise SchemaFault('data.approval.remind_hours', ' must be smaller than or equal to 720', data__approval__remindhours, 'maximum', None)
      if data__approval__remindhours <= 0:
       raise SchemaFault('data.approval.remind_hours', ' must be bigger than 0', data__approval__remindhours, 'exclusiveMinimum', None)
    if 'escalate_hours' in data__approval_keys:
     data__approval_keys.remove('escalate_hours')
     data__approval__escalatehours = data__approval['escalate_hours']
     if not isinstance(data__approval__escalatehours, (int, float, Decimal)) or isinstance(data__approval__escalatehours, bool):
      raise SchemaFault('data.approval.escalate_hours', ' must be number', data__approval__escalatehours, 'type', None)
     if isinstance(data__approval__escalatehours, (int, float, Decimal)) and (not isinstance(data__approval__escalatehours, bool)):
      if data__approval__escalatehours > 720:
       raise SchemaFault('data.approval.escalate_hours', ' must be smaller than or equal to 720', data__approval__escalatehours, 'maximum', None)
      if data__approval__escalatehours <= 0:
       raise SchemaFault('data.approval.escalate_hours', ' must be bigger than 0', data__approval__escalatehours, 'exclusiveMinimum', None)
    if 'expire_hours' in data__approval_keys:
     data__approval_keys.remove('expire_hours')
     data__approval__expirehours = data__approval['expire_hours']
     if not isinstance(data__approval__expirehours, (int, float, Decimal)) or isinstance(data__approval__expirehours, bool):
      raise SchemaFault('data.approval.expire_hours', ' must be number', data__approval__expirehours, 'type', None)
     if isinstance(data__approval__expirehours, (int, float, Decimal)) and (not isinstance(data__approval__expirehours, bool)):
      if data__approval__expirehours > 720:
       raise SchemaFault('data.approval.expire_hours', ' must be smaller than or equal to 720', data__approval__expirehours, 'maximum', None)
      if data__approval__expirehours <= 0:
       raise SchemaFault('data.approval.expire_hours', ' must be bigger than 0', data__approval__expirehours, 'exclusiveMinimum', None)
    if 'deputies' in data__approval_keys:
     data__approval_keys.remove('deputies')
     data__approval__deputies = data__approval['deputies']
     if not isinstance(data__approval__deputies, (list, tuple)):
      raise SchemaFault('data.approval.deputies', ' must be array', data__approval__deputies, 'type', None)
     data__approval__deputies_is_list = isinstance(data__approval__deputies, (list, tuple))
     if data__approval__deputies_is_list:
      data__approval__deputies_len = len(data__approval__deputies)
      if data__approval__deputies_len > 50:
       raise SchemaFault('data.approval.deputies', ' must contain less than or equal to 50 items', data__approval__deputies, 'maxItems', None)
      for data__approval__deputies_x, data__approval__deputies_item in enumerate(data__approval__deputies):
       if not isinstance(data__approval__deputies_item, str):
        raise SchemaFault('data' + '.approval.deputies[{data__approval__deputies_x}]'.format(**locals()), ' must be string', data__approval__deputies_item, 'type', None)
       if isinstance(data__approval__deputies_item, str):
        data__approval__deputies_item_len = len(data__approval__deputies_item)
        if data__approval__deputies_item_len < 1:
         raise SchemaFault('data' + '.approval.deputies[{data__approval__deputies_x}]'.format(**locals()), ' must be longer than or equal to 1 characters', data__approval__deputies_item, 'minLength', None)
        if data__approval__deputies_item_len > 300:
         raise SchemaFault('data' + '.approval.deputies[{data__approval__deputies_x}]'.format(**locals()), ' must be shorter than or equal to 300 characters', data__approval__deputies_item, 'maxLength', None)
        if not REGEX_PATTERNS['^ *[!-)+-~][ -)+-~]*\\*?$'].search(data__approval__deputies_item):
         raise SchemaFault('data' + '.approval.deputies[{data__approval__deputies_x}]'.format(**locals()), ' must match pattern ^ *[!-)+-~][ -)+-~]*\\*?$', data__approval__deputies_item, 'pattern', None)
    if data__approval_keys:
     raise SchemaFault('data.approval', ' must not contain ' + str(data__approval_keys) + ' properties', data__approval, 'additionalProperties', None)
  if 'promotion' in data_keys:
   data_keys.remove('promotion')
   data__promotion = data['promotion']
   if not isinstance(data__promotion, dict):
    raise SchemaFault('data.promotion', ' must be object', data__promotion, 'type', None)
   data__promotion_is_dict = isinstance(data__promotion, dict)
   if data__promotion_is_dict:
    data__promotion_keys = set(data__promotion.keys())
    if 'kind' in data__promotion_keys:
     data__promotion_keys.remove('kind')
     data__promotion__kind = data__promotion['kind']
     if not (isinstance(data__promotion__kind, str) and data__promotion__kind == 'endpoint' or (isinstance(data__promotion__kind, str) and data__promotion__kind == 'registry') or (isinstance(data__promotion__kind, str) and data__promotion__kind == 'pipeline') or (isinstance(data__promotion__kind, str) and data__promotion__kind == 'none')):
      raise SchemaFault('data.promotion.kind', " must be one of ['endpoint', 'registry', 'pipeline', 'none']", data__promotion__kind, 'enum', ['endpoint', 'registry', 'pipeline', 'none'])
    if 'endpoint' in data__promotion_keys:
     data__promotion_keys.remove('endpoint')
     data__promotion__endpoint = data__promotion['endpoint']
     if not isinstance(data__promotion__endpoint, str):
      raise SchemaFault('data.promotion.endpoint', ' must be string', data__promotion__endpoint, 'type', None)
     if isinstance(data__promotion__endpoint, str):
      if not REGEX_PATTERNS['^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$'].search(data__promotion__endpoint):
       raise SchemaFault('data.promotion.endpoint', ' must match pattern ^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$', data__promotion__endpoint, 'pattern', None)
    if 'target' in data__promotion_keys:
     data__promotion_keys.remove('target')
     data__promotion__target = data__promotion['target']
     if not isinstance(data__promotion__target, str):
      raise SchemaFault('data.promotion.target', ' must be string', data__promotion__target, 'type', None)
     if isinstance(data__promotion__target, str):
      data__promotion__target_len = len(data__promotion__target)
      if data__promotion__target_len < 1:
       raise SchemaFault('data.promotion.target', ' must be longer than or equal to 1 characters', data__promotion__target, 'minLength', None)
      if data__promotion__target_len > 2048:
       raise SchemaFault('data.promotion.target', ' must be shorter than or equal to 2048 characters', data__promotion__target, 'maxLength', None)
    if 'input' in data__promotion_keys:
     data__promotion_keys.remove('input')
     data__promotion__input = data__promotion['input']
     if not isinstance(data__promotion__input, dict):
      raise SchemaFault('data.promotion.input', ' must be object', data__promotion__input, 'type', None)
    if 'bake_minutes' in data__promotion_keys:
     data__promotion_keys.remove('bake_minutes')
     data__promotion__bakeminutes = data__promotion['bake_minutes']
     if not isinstance(data__promotion__bakeminutes, (int, float, Decimal)) or isinstance(data__promotion__bakeminutes, bool):
      raise SchemaFault('data.promotion.bake_minutes', ' must be number', data__promotion__bakeminutes, 'type', None)
     if isinstance(data__promotion__bakeminutes, (int, float, Decimal)) and (not isinstance(data__promotion__bakeminutes, bool)):
      if data__promotion__bakeminutes < 0:
       raise SchemaFault('data.promotion.bake_minutes', ' must be bigger than or equal to 0', data__promotion__bakeminutes, 'minimum', None)
      if data__promotion__bakeminutes > 1440:
       raise SchemaFault('data.promotion.bake_minutes', ' must be smaller than or equal to 1440', data__promotion__bakeminutes, 'maximum', None)
    if 'alarms' in data__promotion_keys:
     data__promotion_keys.remove('alarms')
     data__promotion__alarms = data__promotion['alarms']
     if not isinstance(data__promotion__alarms, (list, tuple)):
      raise SchemaFault('data.promotion.alarms', ' must be array', data__promotion__alarms, 'type', None)
     data__promotion__alarms_is_list = isinstance(data__promotion__alarms, (list, tuple))
     if data__promotion__alarms_is_list:
      data__promotion__alarms_len = len(data__promotion__alarms)
      if data__promotion__alarms_len > 10:
       raise SchemaFault('data.promotion.alarms', ' must contain less than or equal to 10 items', data__promotion__alarms, 'maxItems', None)
      for data__promotion__alarms_x, data__promotion__alarms_item in enumerate(data__promotion__alarms):
       if not isinstance(data__promotion__alarms_item, str):
        raise SchemaFault('data' + '.promotion.alarms[{data__promotion__alarms_x}]'.format(**locals()), ' must be string', data__promotion__alarms_item, 'type', None)
       if isinstance(data__promotion__alarms_item, str):
        data__promotion__alarms_item_len = len(data__promotion__alarms_item)
        if data__promotion__alarms_item_len > 255:
         raise SchemaFault('data' + '.promotion.alarms[{data__promotion__alarms_x}]'.format(**locals()), ' must be shorter than or equal to 255 characters', data__promotion__alarms_item, 'maxLength', None)
        if not REGEX_PATTERNS['\\S'].search(data__promotion__alarms_item):
         raise SchemaFault('data' + '.promotion.alarms[{data__promotion__alarms_x}]'.format(**locals()), ' must match pattern \\S', data__promotion__alarms_item, 'pattern', None)
    if 'deployment' in data__promotion_keys:
     data__promotion_keys.remove('deployment')
     data__promotion__deployment = data__promotion['deployment']
     if not isinstance(data__promotion__deployment, dict):
      raise SchemaFault('data.promotion.deployment', ' must be object', data__promotion__deployment, 'type', None)
    if 'inconclusive' in data__promotion_keys:
     data__promotion_keys.remove('inconclusive')
     data__promotion__inconclusive = data__promotion['inconclusive']
     if not (isinstance(data__promotion__inconclusive, str) and data__promotion__inconclusive == 'ask' or (isinstance(data__promotion__inconclusive, str) and data__promotion__inconclusive == 'promote') or (isinstance(data__promotion__inconclusive, str) and data__promotion__inconclusive == 'roll_back')):
      raise SchemaFault('data.promotion.inconclusive', " must be one of ['ask', 'promote', 'roll_back']", data__promotion__inconclusive, 'enum', ['ask', 'promote', 'roll_back'])
    if 'retain_capacity' in data__promotion_keys:
     data__promotion_keys.remove('retain_capacity')
     data__promotion__retaincapacity = data__promotion['retain_capacity']
     if not isinstance(data__promotion__retaincapacity, bool):
      raise SchemaFault('data.promotion.retain_capacity', ' must be boolean', data__promotion__retaincapacity, 'type', None)
    if 'monitoring_schedule' in data__promotion_keys:
     data__promotion_keys.remove('monitoring_schedule')
     data__promotion__monitoringschedule = data__promotion['monitoring_schedule']
     if not isinstance(data__promotion__monitoringschedule, str):
      raise SchemaFault('data.promotion.monitoring_schedule', ' must be string', data__promotion__monitoringschedule, 'type', None)
     if isinstance(data__promotion__monitoringschedule, str):
      if not REGEX_PATTERNS['^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$'].search(data__promotion__monitoringschedule):
       raise SchemaFault('data.promotion.monitoring_schedule', ' must match pattern ^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$', data__promotion__monitoringschedule, 'pattern', None)
    if data__promotion_keys:
     raise SchemaFault('data.promotion', ' must not contain ' + str(data__promotion_keys) + ' properties', data__promotion, 'additionalProperties', None)
  if data_keys:
   raise SchemaFault('data', ' must not contain ' + str(data_keys) + ' properties', data, 'additionalProperties', None)
 return data
